import type { PatienceView } from "../api/types";

/** Where on the line of a client's patience something stands, in ms. */
export interface PatienceLine {
  /** When the request is sent; the first is at 0. */
  sendings: number[];
  givesUp?: number;
  givesUpLast?: number;
  p50?: number;
  p90?: number;
  p99?: number;
  /** How long the line is. */
  end: number;
  /** Marks for reading, round seconds. */
  marks: number[];
}

export function patienceLine(p: PatienceView): PatienceLine {
  const sendings = [0];
  let at = 0;
  let gap = p.interval_ms;
  for (let i = 1; i < Math.min(p.sendings, 20) && gap > 0; i++) {
    at += gap;
    sendings.push(at);
    gap *= p.growth > 0 ? p.growth : 1;
  }
  const known = (n: number) => (n > 0 ? n : undefined);
  const line: PatienceLine = {
    sendings,
    givesUp: known(p.gives_up_ms),
    givesUpLast: p.gives_up_last_ms > p.gives_up_ms ? known(p.gives_up_last_ms) : undefined,
    p50: known(p.p50_ms),
    p90: known(p.p90_ms),
    p99: known(p.p99_ms),
    end: 0,
    marks: [],
  };
  const longest = Math.max(...sendings, line.givesUp ?? 0, line.givesUpLast ?? 0, line.p99 ?? 0, line.p90 ?? 0, 1000);
  const step = [1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000].find((s) => longest / s <= 8) ?? 600_000;
  line.end = Math.ceil((longest * 1.04) / step) * step;
  for (let m = 0; m <= line.end; m += step) line.marks.push(m);
  return line;
}

/** Whether a client knows enough people to be judged. */
export function isKnown(p: PatienceView): boolean {
  return p.exchanges > 0;
}
