/** What somebody must do. */
export interface Duty {
  who: string;
  what: string;
}

const actors = ["Nobody", "Person", "Help desk", "Administrator", "Security", "Network", "Operator"];

/**
 * Splits the remedy of an outcome by who must act: "Help desk: unlock it.
 * Administrator: look for the device." What has no name before it is for
 * whoever reads it, who ''.
 */
export function duties(remedy: string): Duty[] {
  const pattern = new RegExp(`(?:^|(?<=[.!?] ))(${actors.join("|")}): `, "g");
  const list: Duty[] = [];
  let who = "";
  let from = 0;
  const put = (to: number) => {
    const what = remedy.slice(from, to).trim();
    if (what !== "") list.push({ who, what: what.charAt(0).toUpperCase() + what.slice(1) });
  };
  for (const m of remedy.matchAll(pattern)) {
    put(m.index);
    who = m[1] ?? "";
    from = m.index + m[0].length;
  }
  put(remedy.length);
  return list;
}

/** Splits what the help desk reads from what it tells the caller. */
export function telling(text: string): { reads: string; tells?: string } {
  const at = text.indexOf("Tell the caller: ");
  if (at < 0) return { reads: text };
  return { reads: text.slice(0, at).trim(), tells: text.slice(at + "Tell the caller: ".length).trim() };
}
