import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import de from "../i18n/de.json";
import en from "../i18n/en.json";

// The columns are the server's; what stands above them on the page is ours.
const source = readFileSync(join(import.meta.dirname, "../../../../admin/report.go"), "utf8");
const columns = [...source.matchAll(/^\t\t\{"([a-z_]+)", "[^"]+", "[a-z]+"\},$/gm)].map((m) => m[1] ?? "");

describe("the columns of reports", () => {
  it("are read", () => {
    expect(new Set(columns).size).toBeGreaterThan(20);
  });
  it.each([...new Set(columns)])("%s has a heading in both languages", (key) => {
    expect(en.column).toHaveProperty(key);
    expect(de.column).toHaveProperty(key);
  });
});
