import { stream } from "~/api/stream";
import { addressOf, type Query } from "../api/call";
import type { EventView } from "../api/types";

export interface StreamHandlers {
  logins: (events: EventView[]) => void;
  gap: (skipped: number) => void;
  /** Open again after a break: what was missed must be asked for. */
  opened: () => void;
  /** The connection is gone; it is tried again. */
  lost: () => void;
}

/** Follows the logins as they happen. Returns how to stop. */
export function follow(query: Query, h: StreamHandlers): () => void {
  // What happens from now on needs no span of time, and the stream takes none.
  const { since: _since, until: _until, ...filter } = query;
  return stream(addressOf("/v1/events/stream", filter), {
    opened: h.opened,
    lost: h.lost,
    event: (name, data) => {
      const value = read(data);
      if (name === "logins" && Array.isArray(value)) h.logins(value as EventView[]);
      const skipped = (value as { skipped?: unknown } | undefined)?.skipped;
      if (name === "gap" && typeof skipped === "number") h.gap(skipped);
    },
  });
}

function read(data: string): unknown {
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return undefined;
  }
}
