import { addressOf, type Query } from "../api/call";
import type { EventView } from "../api/types";

export interface StreamHandlers {
  logins: (events: EventView[]) => void;
  gap: (skipped: number) => void;
  /** Open again after a break: what was missed must be asked for. */
  opened: () => void;
  /** The connection is gone; the browser tries again by itself. */
  lost: () => void;
}

/** Follows the logins as they happen. Returns how to stop. */
export function follow(query: Query, h: StreamHandlers): () => void {
  // What happens from now on needs no span of time, and the stream takes none.
  const { since: _since, until: _until, ...filter } = query;
  const source = new EventSource(addressOf("/v1/events/stream", filter));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;
  let stop = () => source.close();
  source.addEventListener("open", h.opened);
  source.addEventListener("logins", (e) => {
    const events = read(e) as EventView[] | undefined;
    if (Array.isArray(events)) h.logins(events);
  });
  source.addEventListener("gap", (e) => {
    const gap = read(e) as { skipped?: number } | undefined;
    if (typeof gap?.skipped === "number") h.gap(gap.skipped);
  });
  source.addEventListener("error", () => {
    h.lost();
    // After an answer that is no stream the browser gives up for good; a node
    // that restarts gives one. So we try again ourselves.
    if (source.readyState === EventSource.CLOSED && !closed) {
      timer = setTimeout(() => {
        stop = follow(query, h);
      }, 5000);
    }
  });
  return () => {
    closed = true;
    clearTimeout(timer);
    source.close();
    stop();
  };
}

function read(e: Event): unknown {
  try {
    return JSON.parse((e as MessageEvent<string>).data) as unknown;
  } catch {
    return undefined;
  }
}
