import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { permissionGroups } from "../ui/permissionGroups";
import de from "./de.json";
import en from "./en.json";

type Tree = { [key: string]: string | Tree };
function flat(tree: Tree, before = ""): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === "string") all.set(before + key, value);
    else for (const [k, v] of flat(value, `${before}${key}.`)) all.set(k, v);
  }
  return all;
}
const texts = { en: flat(en), de: flat(de) };
const holes = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]).sort();

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return /\.tsx?$/.test(name) && !name.includes(".test.") ? [readFileSync(path, "utf8")] : [];
  });
}

describe("texts of the console", () => {
  it("are the same in both languages", () => {
    expect([...texts.de.keys()].sort()).toEqual([...texts.en.keys()].sort());
  });
  it("have the same holes to fill in", () => {
    for (const [key, text] of texts.en) expect(holes(texts.de.get(key) ?? ""), key).toEqual(holes(text));
  });
  it("are not empty", () => {
    for (const all of Object.values(texts)) for (const [key, text] of all) expect(text, key).not.toBe("");
  });
  it("are there for every key that a page spells out", () => {
    const keys = new Set(
      sources(join(import.meta.dirname, "..")).flatMap((s) => [...s.matchAll(/\bt\(\s*"([^"]+)"/g)].map((m) => m[1] ?? "")),
    );
    expect(keys.size).toBeGreaterThan(500);
    const missing = [...keys].filter((k) => !["", "_one", "_other"].some((end) => texts.en.has(k + end)));
    expect(missing).toEqual([]);
  });
  it("explain every permission", () => {
    for (const p of [...permissionGroups.flatMap((g) => g.permissions), "login.decide"]) {
      for (const kind of ["permission", "permission_about"]) expect(texts.en.has(`${kind}.${p.replace(".", "_")}`), p).toBe(true);
    }
  });
});
