/** What stands for what in links that the server gives. */
const places: [RegExp, string][] = [
  [/^\/console(\/|\?|$)/, ""],
  [/^\/v1\/events\/(.+)$/, "/console/sign-ins/"],
];

/** An address of the console for a link of the server; undefined for none. */
export function consoleLink(link: string | undefined): string | undefined {
  if (link === undefined || link === "") return undefined;
  for (const [pattern, to] of places) {
    const m = pattern.exec(link);
    if (m !== null) return to === "" ? link : to + (m[1] ?? "");
  }
  if (link.startsWith("//") || /^[a-z]+:/i.test(link)) return undefined;
  return `/console/${link.replace(/^\/+/, "")}`;
}
