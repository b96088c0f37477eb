// The rules for PINs, as far as they can be told without the server, whose word
// decides.

/** What may be wrong with a PIN, by the text that says it. */
export type PinFault = "short" | "long" | "digits" | "same" | "counts" | "halves";

interface PinBounds {
  min_digits: number;
  max_digits: number;
}

/** The first thing that is wrong with a PIN; undefined if nothing can be told to be. */
export function pinFault(pin: string, bounds: PinBounds): PinFault | undefined {
  if (!/^[0-9]*$/.test(pin)) return "digits";
  if (pin.length < bounds.min_digits) return "short";
  if (pin.length > bounds.max_digits) return "long";
  const d = [...pin].map(Number);
  const steps = d.slice(1).map((x, i) => x - (d[i] ?? 0));
  const twice = (step: number) => steps.some((s, i) => s === step && steps[i + 1] === step);
  if (twice(0)) return "same";
  if (twice(1) || twice(-1)) return "counts";
  const half = pin.length / 2;
  if (pin.slice(0, half) === pin.slice(half)) return "halves";
  return undefined;
}

/** For how long a PIN's end is announced. */
export const pinNotice = 14 * 24 * 60 * 60 * 1000;

export type PinStanding = "none" | "good" | "ending" | "expired";

/** How things stand with a person's PIN. */
export function pinStanding(pin: { set?: string; expires?: string }, now: Date): PinStanding {
  if (!pin.set) return "none";
  if (!pin.expires) return "good";
  const left = Date.parse(pin.expires) - now.getTime();
  return left <= 0 ? "expired" : left <= pinNotice ? "ending" : "good";
}
