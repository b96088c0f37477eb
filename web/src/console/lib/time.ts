/** Time as its reader has it: in their zone and language. */

const formats = new Map<string, Intl.DateTimeFormat>();

function format(language: string, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${language} ${name}`;
  let f = formats.get(key);
  if (f === undefined) {
    f = new Intl.DateTimeFormat(language, options);
    formats.set(key, f);
  }
  return f;
}

/** Whether a text is a time that can be shown; Go's zero time is none. */
export function isTime(text: string | undefined | null): text is string {
  return text !== undefined && text !== null && text !== "" && !text.startsWith("0001-") && !Number.isNaN(Date.parse(text));
}

/** "22 Nov 2026, 23:30:12" */
export function exact(text: string, language: string): string {
  return format(language, "exact", { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }).format(new Date(text));
}

/** "22 Nov 2026, 23:30" */
export function minute(text: string, language: string): string {
  return format(language, "minute", { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format(new Date(text));
}

/** "22 Nov 2026" */
export function day(text: string, language: string): string {
  return format(language, "day", { dateStyle: "medium" }).format(new Date(text));
}

/** "23:30:12" if it is of today, else with the day. */
export function clock(text: string, language: string, now: Date): string {
  const d = new Date(text);
  const today = d.toDateString() === now.toDateString();
  return today
    ? format(language, "clock", { timeStyle: "medium", hourCycle: "h23" }).format(d)
    : format(language, "dayclock", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(d);
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** "3 minutes ago", "in 5 days" */
export function relative(text: string, language: string, now: Date): string {
  const seconds = Math.round((Date.parse(text) - now.getTime()) / 1000);
  const f = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return f.format(Math.trunc(seconds / size), unit);
  }
  return f.format(0, "second");
}

/** A length of time in the unit that suits it: 840 µs, 12 ms, 3.4 s, 2 min, 3 hours, 4 days. */
export function span(micros: number, language: string): string {
  const n = (value: number, digits: number) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
  if (micros < 1000) return `${n(micros, 0)} µs`;
  if (micros < 1_000_000) return `${n(micros / 1000, micros < 10_000 ? 1 : 0)} ms`;
  if (micros < 120_000_000) return `${n(micros / 1_000_000, micros < 10_000_000 ? 1 : 0)} s`;
  const minutes = micros / 60_000_000;
  if (minutes < 120) return `${n(minutes, 0)} min`;
  const [value, unit] = minutes < 2880 ? [minutes / 60, "hour"] : [minutes / 1440, "day"];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 }).format(value);
}

/** A setting such as "2160h0m0s" in words: "90 days". What is no such length stays as it is. */
export function kept(duration: string, language: string): string {
  const m = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration);
  if (m === null || duration === "") return duration;
  let seconds = Number(m[1] ?? 0) * 3600 + Number(m[2] ?? 0) * 60 + Number(m[3] ?? 0);
  const parts: string[] = [];
  for (const [unit, size] of [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ] as const) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count > 0) parts.push(new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count));
  }
  return parts.length === 0 ? duration : new Intl.ListFormat(language, { type: "unit" }).format(parts);
}

/** The value of a datetime-local field for a time, and back. */
export function toLocal(d: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${String(d.getFullYear())}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`;
}

export function fromLocal(text: string): string | undefined {
  if (text === "") return undefined;
  const d = new Date(text);
  return Number.isNaN(d.getTime()) ? undefined : d.toISOString();
}
