/** What the sign-in log can be filtered by, as it stands in the address. */
export interface Filter {
  account?: string;
  application?: string;
  client?: string;
  door?: string;
  outcome?: string;
  verdict?: string;
  factor?: string;
  rule?: string;
  source?: string;
  stage?: string;
  at_fault?: string;
  /** A span that ends now: 15m, 1h, 24h, 7d; or yesterday, today. */
  within?: string;
  since?: string;
  until?: string;
}

export const filterKeys = [
  "account",
  "application",
  "client",
  "door",
  "outcome",
  "verdict",
  "factor",
  "rule",
  "source",
  "stage",
  "at_fault",
  "within",
  "since",
  "until",
] as const satisfies readonly (keyof Filter)[];

export type FilterKey = (typeof filterKeys)[number];

export const spans = ["15m", "1h", "24h", "7d", "today", "yesterday"] as const;

/** Reads a filter from the address; what it does not know it leaves out. */
export function parseFilter(search: Record<string, unknown>): Filter {
  const f: Filter = {};
  for (const key of filterKeys) {
    const value = search[key];
    if (value === undefined || value === null) continue;
    const text = typeof value === "object" ? "" : String(value).trim();
    if (text === "") continue;
    if (key === "within" && !(spans as readonly string[]).includes(text)) continue;
    if (key === "at_fault" && text !== "true") continue;
    if ((key === "since" || key === "until") && Number.isNaN(Date.parse(text))) continue;
    f[key] = text;
  }
  if (f.since !== undefined || f.until !== undefined) delete f.within;
  return f;
}

export function withFilter(f: Filter, key: FilterKey, value: string | undefined): Filter {
  const next: Filter = { ...f };
  if (key === "within") {
    delete next.since;
    delete next.until;
  }
  if (key === "since" || key === "until") delete next.within;
  if (value === undefined || value.trim() === "") delete next[key];
  else next[key] = value.trim();
  return next;
}

/** The query of GET /v1/events for a filter, with spans worked out at now. */
export function filterQuery(f: Filter, now: Date): Record<string, string> {
  const q: Record<string, string> = {};
  for (const key of filterKeys) {
    const value = f[key];
    if (value !== undefined && key !== "within" && key !== "since" && key !== "until") q[key] = value;
  }
  const span = f.within === undefined ? undefined : spanOf(f.within, now);
  const since = f.since === undefined ? span?.since : new Date(f.since);
  const until = f.until === undefined ? span?.until : new Date(f.until);
  if (since !== undefined) q.since = since.toISOString();
  if (until !== undefined) q.until = until.toISOString();
  return q;
}

/** Begin and end of a span in the reader's own days. */
export function spanOf(name: string, now: Date): { since: Date; until?: Date } | undefined {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  switch (name) {
    case "today":
      return { since: midnight };
    case "yesterday":
      return { since: new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1), until: midnight };
  }
  const m = /^(\d+)([mhd])$/.exec(name);
  if (m === null) return undefined;
  const unit = { m: 60_000, h: 3_600_000, d: 86_400_000 }[m[2] as "m" | "h" | "d"];
  return { since: new Date(now.getTime() - Number(m[1]) * unit) };
}

/** Whether a filter ends in the past, so that nothing live can match it. */
export function isOver(f: Filter, now: Date): boolean {
  if (f.within === "yesterday") return true;
  return f.until !== undefined && Date.parse(f.until) <= now.getTime();
}

/** A filter for logins like this one. */
export function moreLike(e: { outcome: string; client: string; verdict: string }): Filter {
  const f: Filter = {};
  if (e.outcome !== "") f.outcome = e.outcome;
  if (e.client !== "") f.client = e.client;
  return f;
}

/**
 * What the look-up box was given. A text can be both: "marie-12" is a name that
 * looks like a reference, so the reference is tried first.
 */
export function lookUp(text: string): { reference?: string; name?: string } {
  const name = text.trim();
  if (name === "") return {};
  // References are four and four characters of Crockford's base 32, which has
  // no I, L, O and U; people read O for 0 and I or L for 1.
  const letters = name.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  if (!/^[0-9A-HJKMNP-TV-Z]{8}$/.test(letters)) return { name };
  return { reference: `${letters.slice(0, 4)}-${letters.slice(4)}`, name };
}
