import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { preferred } from "./index";

/** All texts of a file by their paths. Plural forms count as one text. */
function texts(file: string): Map<string, string> {
  const all = new Map<string, string>();
  const walk = (value: unknown, path: string[]) => {
    if (typeof value === "string") all.set(path.join(" › "), value);
    else for (const [k, v] of Object.entries(value as object)) walk(v, [...path, k]);
  };
  walk(JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8")), []);
  return all;
}

const areas = ["./", "../console/i18n/"].filter((a) => existsSync(new URL(`${a}en.json`, import.meta.url)));

describe.each(areas)("texts in %s", (area) => {
  const en = texts(`${area}en.json`);
  const de = texts(`${area}de.json`);

  it("are the same in both languages", () => {
    expect([...de.keys()].sort()).toEqual([...en.keys()].sort());
    expect(en.size).toBeGreaterThan(0);
  });

  it("are never empty", () => {
    for (const [key, text] of [...en, ...de]) expect(text.trim(), key).not.toBe("");
  });

  it("name the same values", () => {
    const values = (s: string | undefined) => [...(s ?? "").matchAll(/\{\{[^}]+\}\}/g)].map((m) => m[0]).sort();
    for (const [key, text] of en) expect(values(de.get(key)), key).toEqual(values(text));
  });

  it("address people as Sie", () => {
    for (const [key, text] of de) expect(text, key).not.toMatch(/\b(du|dich|dir|deine?[mnrs]?)\b/i);
  });
});

describe("the language", () => {
  const rows: [string, string | null, string[], string][] = [
    ["is what was chosen", "de", ["en-GB"], "de"],
    ["is the browser's first that we have", null, ["fr-FR", "de-AT", "en"], "de"],
    ["is English if we have none of them", null, ["fr"], "en"],
    ["is not taken from a choice that is none", "xx", ["de"], "de"],
  ];
  it.each(rows)("%s", (_, chosen, wanted, want) => {
    expect(preferred(chosen, wanted)).toBe(want);
  });
});
