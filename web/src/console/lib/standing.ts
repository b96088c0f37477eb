import type { AccountView } from "../api/types";

/** What keeps a person from logging in, and the act that ends it. */
export interface Obstacle {
  kind: "disabled" | "blocked" | "stopped" | "waiting" | "unenrolled" | "unchecked";
  mend: "enable" | "unblock" | "unlock" | "invite";
  reason?: string;
  until?: string;
  count?: number;
}

/** Factors that are no second factor by themselves. */
const notSecond = new Set(["password", "recovery", "pin"]);

/** Whether a factor can complete a login with a password before it. */
export const isSecond = (factor: string): boolean => !notSecond.has(factor);

/** Whether an account holds anything that can complete a login. */
export function hasSecond(a: AccountView): boolean {
  return (a.authenticators ?? []).some((h) => isSecond(h.factor));
}

/**
 * Says what keeps an account from logging in right now, in the order in which
 * the server would come upon it: the first is the one to mend first.
 */
export function obstacles(a: AccountView, now: Date): Obstacle[] {
  const list: Obstacle[] = [];
  if (!a.enabled) list.push({ kind: "disabled", mend: "enable" });
  if (a.blocked && (a.blocked_until === undefined || Date.parse(a.blocked_until) > now.getTime())) {
    list.push({ kind: "blocked", mend: "unblock", reason: a.block_reason, until: a.blocked_until });
  }
  const f = a.failures;
  if (f?.stopped === true) {
    list.push({ kind: "stopped", mend: "unlock", count: f.password + f.code });
  } else if (f?.waiting_until !== undefined && Date.parse(f.waiting_until) > now.getTime()) {
    list.push({ kind: "waiting", mend: "unlock", until: f.waiting_until, count: f.password + f.code });
  }
  if (a.authenticators !== undefined && !hasSecond(a)) list.push({ kind: "unenrolled", mend: "invite" });
  return list;
}
