export interface Difference {
  /** Where: "groups", "then.need". */
  path: string;
  kind: "added" | "removed" | "changed";
  before?: string;
  after?: string;
}

/**
 * Says how one record became another, each an object, its JSON as a text, or ''
 * for none. What is no JSON is compared as text, for nothing of a record may be
 * hidden because it could not be read.
 */
export function diff(before: unknown, after: unknown): Difference[] {
  const list: Difference[] = [];
  walk("", parse(before), parse(after), list);
  return list;
}

function parse(text: unknown): unknown {
  if (text === undefined || text === null || text === "") return undefined;
  if (typeof text !== "string") return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function walk(path: string, a: unknown, b: unknown, list: Difference[]): void {
  if (isEmpty(a) && isEmpty(b)) return;
  if (isObject(a) || isObject(b)) {
    const x = isObject(a) ? a : undefined;
    const y = isObject(b) ? b : undefined;
    if ((x !== undefined || isEmpty(a)) && (y !== undefined || isEmpty(b))) {
      const keys = new Set([...Object.keys(x ?? {}), ...Object.keys(y ?? {})]);
      for (const key of [...keys].sort()) walk(path === "" ? key : `${path}.${key}`, x?.[key], y?.[key], list);
      return;
    }
  }
  if (scalars(a) && scalars(b)) {
    const x = (a ?? []) as unknown[];
    const y = (b ?? []) as unknown[];
    const gone = x.filter((v) => !y.includes(v));
    const come = y.filter((v) => !x.includes(v));
    for (const v of gone) list.push({ path, kind: "removed", before: text(v) });
    for (const v of come) list.push({ path, kind: "added", after: text(v) });
    if (gone.length === 0 && come.length === 0 && text(x) !== text(y)) {
      list.push({ path, kind: "changed", before: text(x), after: text(y) });
    }
    return;
  }
  const x = text(a);
  const y = text(b);
  if (x === y) return;
  if (isEmpty(a)) list.push({ path, kind: "added", after: y });
  else if (isEmpty(b)) list.push({ path, kind: "removed", before: x });
  else list.push({ path, kind: "changed", before: x, after: y });
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

function isEmpty(v: unknown): boolean {
  return v === undefined || v === null || v === "" || (Array.isArray(v) && v.length === 0);
}

/** Whether both sides can be read as lists of plain values, one of them at least a list. */
function scalars(v: unknown): boolean {
  if (v === undefined || v === null) return true;
  return Array.isArray(v) && v.every((e) => typeof e !== "object" || e === null);
}

function text(v: unknown): string {
  if (v === undefined || v === null) return "";
  if (typeof v === "string") return v;
  if (Array.isArray(v) && v.every((e) => typeof e !== "object" || e === null)) return v.map(text).join(", ");
  return JSON.stringify(v);
}
