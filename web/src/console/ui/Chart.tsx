// Logins per hour, stacked. The canvas is for the eye; the same figures stand in
// a table for everybody else.
import { Text, useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Hour } from "../api/types";
import { useText } from "../core";
import classes from "./Chart.module.css";
import { Rows } from "./Rows";

export const series = ["accepted", "waiting", "refused", "faults"] as const;

/** Each series on top of those before it, for drawing. */
export function stack(hours: Hour[]): number[][] {
  const sums = hours.map(() => 0);
  return series.map((s) =>
    hours.map((h, i) => {
      sums[i] = (sums[i] ?? 0) + h[s];
      return sums[i] ?? 0;
    }),
  );
}

export function HoursChart({ hours }: { hours: Hour[] }) {
  const { t, n, language } = useText();
  const scheme = useComputedColorScheme("light");
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | undefined>();

  // biome-ignore lint/correctness/useExhaustiveDependencies: scheme changes the colours that are read from the page
  useEffect(() => {
    const el = box.current;
    if (el === null || hours.length === 0) return;
    const css = getComputedStyle(el);
    const colour = (name: string) => css.getPropertyValue(name).trim();
    const text = colour("--mantine-color-dimmed");
    const line = colour("--sp-line");
    const fills = {
      accepted: colour("--chart-accepted"),
      waiting: colour("--chart-waiting"),
      refused: colour("--chart-refused"),
      faults: colour("--chart-faults"),
    };
    const bars = uPlot.paths.bars?.({ size: [0.82, 60], gap: 1 });
    const stacked = stack(hours);
    // The tallest is drawn first, so that those below it cover its foot.
    const order = [...series].reverse();
    const data: uPlot.AlignedData = [hours.map((h) => Date.parse(h.hour) / 1000), ...order.map((s) => stacked[series.indexOf(s)] ?? [])];
    const time = new Intl.DateTimeFormat(
      language,
      hours.length > 60 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    );
    const plot = new uPlot(
      {
        width: el.clientWidth,
        height: 220,
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        padding: [8, 8, 0, 0],
        scales: {
          x: { time: true, range: (_u, min, max) => [min - 1800, max + 1800] },
          y: { range: (_u, _min, max) => [0, Math.max(4, max * 1.08)] },
        },
        axes: [
          {
            stroke: text,
            grid: { show: false },
            ticks: { stroke: line, size: 4 },
            font: "12px system-ui",
            values: (_u, splits) => splits.map((s) => time.format(new Date(s * 1000))),
          },
          {
            stroke: text,
            grid: { stroke: line, width: 1 },
            ticks: { show: false },
            font: "12px system-ui",
            size: 48,
            values: (_u, splits) => splits.map((s) => (Number.isInteger(s) ? n(s) : "")),
          },
        ],
        series: [{}, ...order.map((s) => ({ label: s, fill: fills[s], stroke: fills[s], width: 0, paths: bars, points: { show: false } }))],
        hooks: { setCursor: [(u) => setAt(u.cursor.idx ?? undefined)] },
      },
      data,
      el,
    );
    const watcher = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: 220 }));
    watcher.observe(el);
    return () => {
      watcher.disconnect();
      plot.destroy();
    };
  }, [hours, language, n, scheme]);

  const total = (s: (typeof series)[number]) => hours.reduce((sum, h) => sum + h[s], 0);
  const hour = at === undefined ? undefined : hours[at];
  const when = new Intl.DateTimeFormat(language, { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return (
    <div className={classes.chart}>
      <ul className={classes.legend} aria-hidden>
        {series.map((s) => (
          <li key={s} data-series={s}>
            {t(`hours.${s}`)} <b>{n(hour === undefined ? total(s) : hour[s])}</b>
          </li>
        ))}
        <li className={classes.when}>{hour === undefined ? t("hours.all") : when.format(new Date(hour.hour))}</li>
      </ul>
      <div
        ref={box}
        role="img"
        aria-label={t("hours.label", {
          accepted: n(total("accepted")),
          refused: n(total("refused")),
          faults: n(total("faults")),
          count: hours.length,
        })}
      />
      <details className={classes.table}>
        <summary>
          <Text span size="sm">
            {t("hours.table")}
          </Text>
        </summary>
        <div className={classes.scroll}>
          <Rows
            label={t("hours.title")}
            rows={[...hours].reverse()}
            id={(h) => h.hour}
            columns={[
              { key: "hour", label: t("hours.hour"), render: (h) => when.format(new Date(h.hour)) },
              ...series.map((s) => ({ key: s, label: t(`hours.${s}`), number: true, render: (h: Hour) => n(h[s]) })),
            ]}
          />
        </div>
      </details>
    </div>
  );
}

/** A bar in proportion, for lists. */
export function Bar(props: { part: number; tone?: "ok" | "bad" }) {
  return (
    <span className={classes.bar} aria-hidden>
      <span data-tone={props.tone} style={{ width: `${String(Math.max(1, Math.min(100, props.part * 100)))}%` }} />
    </span>
  );
}
