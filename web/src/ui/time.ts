// Times are shown in the reader's zone; hovering shows UTC, because logs are
// compared in it.

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** "3 minutes ago", "in 2 days"; undefined if it is more than a week away, where a date says more. */
export function relative(at: Date, now: Date, language: string): string | undefined {
  const s = Math.round((at.getTime() - now.getTime()) / 1000);
  const n = Math.abs(s);
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (n < 10) return format.format(0, "second");
  if (n < minute) return format.format(s, "second");
  if (n < hour) return format.format(Math.trunc(s / minute), "minute");
  if (n < day) return format.format(Math.trunc(s / hour), "hour");
  if (n < 7 * day) return format.format(Math.trunc(s / day), "day");
  return undefined;
}

/** Date and time in a zone, the reader's own if none is named; seconds included. */
export function full(at: Date, language: string, timeZone?: string): string {
  return new Intl.DateTimeFormat(language, {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    timeZone,
  }).format(at);
}

/** The time of day if it was today in the reader's zone, the date as well otherwise. */
export function short(at: Date, now: Date, language: string, timeZone?: string): string {
  const dayOf = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit", timeZone });
  const sameDay = dayOf.format(at) === dayOf.format(now);
  return new Intl.DateTimeFormat(language, {
    ...(sameDay ? {} : { month: "short", day: "numeric", ...(at.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }) }),
    hour: "2-digit",
    minute: "2-digit",
    ...(sameDay ? { second: "2-digit" } : {}),
    hourCycle: "h23",
    timeZone,
  }).format(at);
}

/** The day alone. */
export function date(at: Date, language: string, timeZone?: string): string {
  return new Intl.DateTimeFormat(language, { year: "numeric", month: "short", day: "numeric", timeZone }).format(at);
}

/** The same moment as logs write it. */
export function utc(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** How long something took: "41 µs", "2.4 ms", "38 ms", "1.2 s", "2 min 5 s". */
export function duration(microseconds: number, language: string): string {
  const n = (value: number, digits: number) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
  if (microseconds < 1000) return `${n(microseconds, 0)} µs`;
  const ms = microseconds / 1000;
  if (ms < 10) return `${n(ms, 1)} ms`;
  if (ms < 1000) return `${n(ms, 0)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${n(s, 1)} s`;
  return `${n(Math.floor(s / 60), 0)} min ${n(Math.floor(s % 60), 0)} s`;
}
