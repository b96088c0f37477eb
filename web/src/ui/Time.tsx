import { Tooltip } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { date, full, relative, short, utc } from "./time";

// One clock for the page, so that a thousand rows are one timer.
let now = new Date();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(f: () => void): () => void {
  watchers.add(f);
  if (!timer) {
    now = new Date();
    timer = setInterval(() => {
      now = new Date();
      for (const w of watchers) w();
    }, 20_000);
  }
  return () => {
    watchers.delete(f);
    if (watchers.size === 0 && timer) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time now, about; the component that reads it is drawn again as it goes on. */
export function useNow(): Date {
  return useSyncExternalStore(
    watch,
    () => now,
    () => now,
  );
}

interface TimeProps {
  value: string | undefined | null;
  /** short: the time, with the date if it was not today. relative: "3 minutes ago". full: date, time and seconds. date: the day. */
  as?: "short" | "relative" | "full" | "date";
  /** What is said if there is no time. */
  none?: string;
}

/** A moment in the reader's zone; hovering or touching shows it in full and in UTC. */
export function Time({ value, as = "short", none = "–" }: TimeProps) {
  const { i18n } = useTranslation();
  const at = new Date(value ?? Number.NaN);
  const clock = useNow();
  if (Number.isNaN(at.getTime()) || at.getUTCFullYear() <= 1) return <>{none}</>;
  const l = i18n.language;
  const zoned = full(at, l);
  const text =
    as === "full"
      ? zoned
      : as === "date"
        ? date(at, l)
        : as === "relative"
          ? (relative(at, clock, l) ?? short(at, clock, l))
          : short(at, clock, l);
  return (
    <Tooltip multiline w="max-content" maw="calc(100vw - 1rem)" label={`${zoned} · ${utc(at)}`}>
      <time className="sp-time" dateTime={at.toISOString()}>
        {text}
      </time>
    </Tooltip>
  );
}
