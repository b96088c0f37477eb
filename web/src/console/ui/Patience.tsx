// How long a client waits and people take, drawn on one line.
import { Alert, Text } from "@mantine/core";
import type { PatienceView } from "../api/types";
import { useText } from "../core";
import { isKnown, patienceLine } from "../lib/patience";
import { Empty, Facts, sentence, Time, Warnings } from "./kit";
import classes from "./Patience.module.css";

const width = 720;
const left = 92;
const right = 16;

export function Patience({ p }: { p: PatienceView }) {
  const { t, n, span } = useText();
  if (!isKnown(p)) return <Empty title={t("patience.unknown")}>{t("patience.unknown_help")}</Empty>;
  const line = patienceLine(p);
  const x = (ms: number) => left + (ms / line.end) * (width - left - right);
  const ms = (v: number) => span(v * 1000);
  const slow = line.givesUp !== undefined && line.p90 !== undefined && line.p90 > line.givesUp;
  // Green is for what is known to be well.
  const known = line.givesUp !== undefined && line.p90 !== undefined;
  return (
    <div className={classes.patience}>
      <Alert color={p.timeout_ms > 0 || slow ? "yellow" : known ? "green" : "blue"} mb="md">
        {sentence(p.advice)}
      </Alert>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div className={classes.draw} tabIndex={0} role="group" aria-label={t("drawing")}>
        <svg viewBox={`0 0 ${String(width)} 118`} role="img" aria-label={t("patience.drawn", { advice: p.advice })}>
          {line.marks.map((m) => (
            <g key={m}>
              <line x1={x(m)} x2={x(m)} y1={10} y2={92} className={classes.grid} />
              <text x={x(m)} y={110} textAnchor="middle" className={classes.mark}>
                {m === 0 ? "0" : ms(m)}
              </text>
            </g>
          ))}
          <text x={left - 10} y={33} textAnchor="end" className={classes.who}>
            {t("patience.client")}
          </text>
          <line
            x1={x(0)}
            x2={x(line.givesUp ?? line.end)}
            y1={28}
            y2={28}
            className={classes.waits}
            data-open={line.givesUp === undefined}
          />
          {line.givesUp !== undefined && line.givesUpLast !== undefined && (
            <rect x={x(line.givesUp)} width={x(line.givesUpLast) - x(line.givesUp)} y={20} height={16} className={classes.between} />
          )}
          {line.sendings.map((s, i) => (
            <circle key={s} cx={x(s)} cy={28} r={i === 0 ? 6 : 5} className={i === 0 ? classes.first : classes.again} />
          ))}
          {line.givesUp !== undefined && <line x1={x(line.givesUp)} x2={x(line.givesUp)} y1={14} y2={42} className={classes.leaves} />}
          <text x={left - 10} y={73} textAnchor="end" className={classes.who}>
            {t("patience.people")}
          </text>
          {line.p99 !== undefined && (
            <rect x={x(0)} width={Math.max(2, x(line.p99) - x(0))} y={62} height={12} rx={3} className={classes.p99} />
          )}
          {line.p90 !== undefined && (
            <rect x={x(0)} width={Math.max(2, x(line.p90) - x(0))} y={62} height={12} rx={3} className={classes.p90} />
          )}
          {line.p50 !== undefined && (
            <rect x={x(0)} width={Math.max(2, x(line.p50) - x(0))} y={62} height={12} rx={3} className={classes.p50} />
          )}
        </svg>
      </div>
      <ul className={classes.legend} aria-hidden>
        <li data-what="first">{t("patience.first")}</li>
        {line.sendings.length > 1 && <li data-what="again">{t("patience.again")}</li>}
        {line.givesUp !== undefined && <li data-what="leaves">{t("patience.leaves")}</li>}
        {line.p50 !== undefined && <li data-what="p50">{t("patience.half")}</li>}
        {line.p90 !== undefined && <li data-what="p90">{t("patience.nine")}</li>}
      </ul>
      <Facts
        facts={[
          [
            t("patience.resends"),
            p.interval_ms > 0
              ? t(p.growth > 1.05 ? "patience.resends_growing" : "patience.resends_every", {
                  time: ms(p.interval_ms),
                  growth: n(p.growth),
                  count: Math.max(0, p.sendings - 1),
                })
              : t("patience.never_resends"),
          ],
          [
            t("patience.gives_up"),
            p.gives_up_ms > 0
              ? line.givesUpLast !== undefined
                ? t("patience.gives_up_between", { from: ms(p.gives_up_ms), to: ms(p.gives_up_last_ms) })
                : t("patience.gives_up_after", { time: ms(p.gives_up_ms) })
              : t("patience.not_seen"),
          ],
          [
            t("patience.take"),
            p.p90_ms > 0
              ? t("patience.take_is", { p50: ms(Math.max(1, p.p50_ms)), p90: ms(p.p90_ms), p99: ms(p.p99_ms) })
              : t("patience.not_seen"),
          ],
          [
            t("patience.late"),
            p.answers > 0 ? t("patience.late_is", { count: p.slower, n: n(p.slower), of: n(p.answers), late: n(p.late) }) : undefined,
          ],
          [t("patience.seen"), t("patience.seen_is", { exchanges: n(p.exchanges), repeated: n(p.repeated), given_up: n(p.given_up) })],
          [t("patience.set"), p.timeout_ms > 0 ? <b key="b">{ms(p.timeout_ms)}</b> : undefined],
          [
            t("patience.turns"),
            p.turns.length > 0
              ? p.turns.map((u) => t("patience.turn", { from: u.from, to: u.to, count: u.count, after: ms(u.after_ms) })).join("; ")
              : undefined,
          ],
          [t("patience.updated"), p.updated === undefined ? undefined : <Time key="u" at={p.updated} />],
        ]}
      />
      <Warnings list={p.warnings} />
      <Text size="sm" c="dimmed" mt="xs">
        {t("patience.of", { nodes: p.nodes.join(", ") })}
      </Text>
    </div>
  );
}
