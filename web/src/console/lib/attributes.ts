/** A reply attribute as the API takes it. */
export interface Attribute {
  name: string;
  value: string;
}

/** "Filter-Id=staff" as people write it; what has no = is a name without a value. */
export function attributesOf(texts: string[]): Attribute[] {
  return texts
    .map((t) => t.trim())
    .filter((t) => t !== "")
    .map((t) => {
      const at = t.indexOf("=");
      return at < 0 ? { name: t, value: "" } : { name: t.slice(0, at).trim(), value: t.slice(at + 1).trim() };
    });
}

/** As people write them, whichever way the server does. */
export function attributeTexts(list: (string | Attribute)[] | null | undefined): string[] {
  return (list ?? []).map((a) => (typeof a === "string" ? a : `${a.name}=${a.value}`));
}
