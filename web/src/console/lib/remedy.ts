/** What somebody must do. */
export interface Duty {
  who: string;
  what: string;
}

/** Who may have to act, by the name in the text: the server's, or that of its German translation. */
const actors: Record<string, string> = {
  Nobody: "Nobody",
  Niemand: "Nobody",
  Person: "Person",
  "Help desk": "Help desk",
  Helpdesk: "Help desk",
  Administrator: "Administrator",
  Security: "Security",
  Network: "Network",
  Operator: "Operator",
};

/**
 * Splits the remedy of an outcome by who must act: "Help desk: unlock it.
 * Administrator: look for the device." What has no name before it is for
 * whoever reads it, who ''.
 */
export function duties(remedy: string): Duty[] {
  const pattern = new RegExp(`(?:^|(?<=[.!?] ))(${Object.keys(actors).join("|")}): `, "g");
  const list: Duty[] = [];
  let who = "";
  let from = 0;
  const put = (to: number) => {
    const what = remedy.slice(from, to).trim();
    if (what !== "") list.push({ who, what: what.charAt(0).toUpperCase() + what.slice(1) });
  };
  for (const m of remedy.matchAll(pattern)) {
    put(m.index);
    who = actors[m[1] ?? ""] ?? "";
    from = m.index + m[0].length;
  }
  put(remedy.length);
  return list;
}

/** Outcomes that end when the account's PIN is removed. */
const ofPIN = new Set(["oath-code-pin-incorrect", "oath-pin-expired"]);

/** The text of the link to where an outcome of an account's login is mended in the console; undefined if no one place mends it. */
export function mending(outcome: string, account: string): string | undefined {
  return account !== "" && ofPIN.has(outcome) ? "trace.remove_pin" : undefined;
}

/** Splits what the help desk reads from what it tells the caller. */
export function telling(text: string): { reads: string; tells?: string } {
  const m = /(?:Tell the caller|Sagen Sie der anrufenden Person): /.exec(text);
  if (!m) return { reads: text };
  return { reads: text.slice(0, m.index).trim(), tells: text.slice(m.index + m[0].length).trim() };
}
