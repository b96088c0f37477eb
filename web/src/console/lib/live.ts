import type { EventView } from "../api/types";

/** How many rows the live log keeps. */
export const liveLimit = 500;

/** How many rows of history may be loaded behind them. */
export const historyLimit = 5000;

export interface LiveState {
  /** Newest first. */
  rows: EventView[];
  /** Logins that have come in while the reader looked at something else. */
  waiting: number;
  /** Logins that the server had no time to show. They are in the record. */
  skipped: number;
  /** Rows at the old end were let go, so the way back begins at the last row. */
  cut: boolean;
}

/**
 * LiveBuffer keeps the newest logins, told at most once for each frame that the
 * browser draws, however many arrive. While it is held, because the reader has
 * paused or scrolled away, what arrives waits and nothing moves under their
 * eyes.
 */
export class LiveBuffer {
  private rows: EventView[] = [];
  private pending: EventView[] = [];
  private incoming: EventView[] = [];
  private waiting = 0;
  private skipped = 0;
  private cut = false;
  private held = false;
  private scheduled = false;
  private newest = 0;
  private state: LiveState = { rows: [], waiting: 0, skipped: 0, cut: false };
  private readonly listeners = new Set<() => void>();

  constructor(private readonly frame: (run: () => void) => void = (run) => void requestAnimationFrame(run)) {}

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): LiveState => this.state;

  /** Takes what a stream brought, in any order; what is there already counts once. */
  push(events: EventView[]): void {
    for (const e of events) this.incoming.push(e);
    if (this.incoming.length > 4 * liveLimit) this.incoming = this.incoming.slice(-4 * liveLimit);
    this.schedule();
  }

  /** The server left out n logins. */
  gap(n: number): void {
    this.skipped += n;
    this.schedule();
  }

  /** Puts a page in place of everything, as after a change of the filter. */
  replace(events: EventView[]): void {
    this.rows = sorted(events);
    this.newest = this.rows[0]?.seq ?? 0;
    this.pending = [];
    this.waiting = 0;
    this.skipped = 0;
    this.cut = false;
    this.tell();
  }

  /** Adds a page of older logins behind the rows. */
  older(events: EventView[]): void {
    const known = new Set(this.rows.map((e) => e.seq));
    this.rows = sorted([...this.rows, ...events.filter((e) => !known.has(e.seq))]).slice(0, historyLimit);
    this.tell();
  }

  hold(held: boolean): void {
    if (this.held === held) return;
    this.held = held;
    if (!held) this.release();
  }

  /** Shows what has been waiting. History that was loaded is let go. */
  release(): void {
    this.drain();
    if (this.pending.length > 0) {
      this.rows = this.trim(sorted([...this.pending, ...this.rows]));
      this.pending = [];
    }
    this.waiting = 0;
    this.tell();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.frame(() => {
      this.scheduled = false;
      this.drain();
      this.tell();
    });
  }

  private drain(): void {
    if (this.incoming.length === 0) return;
    const known = new Set<number>();
    for (const e of this.rows) known.add(e.seq);
    for (const e of this.pending) known.add(e.seq);
    const fresh: EventView[] = [];
    for (const e of this.incoming) {
      if (known.has(e.seq)) continue;
      known.add(e.seq);
      fresh.push(e);
    }
    this.incoming = [];
    if (fresh.length === 0) return;
    for (const e of fresh) if (e.seq > this.newest) this.newest = e.seq;
    if (this.held) {
      this.waiting += fresh.length;
      this.pending = sorted([...fresh, ...this.pending]).slice(0, liveLimit);
    } else {
      this.rows = this.trim(sorted([...fresh, ...this.rows]));
    }
  }

  private trim(rows: EventView[]): EventView[] {
    if (rows.length <= liveLimit) return rows;
    this.cut = true;
    return rows.slice(0, liveLimit);
  }

  private tell(): void {
    this.state = { rows: this.rows, waiting: this.waiting, skipped: this.skipped, cut: this.cut };
    for (const l of this.listeners) l();
  }
}

function sorted(events: EventView[]): EventView[] {
  return events.sort((a, b) => b.seq - a.seq);
}
