import { readFileSync } from "node:fs";
import { join } from "node:path";
import openapiTS, { astToString } from "openapi-typescript";
import { expect, it } from "vitest";

// The types of the API's client are made from its description; one that is
// older would let pages ask for what is not there any more.
it("types.ts is what the description of the API says; if not, run npm run types", async () => {
  const made = astToString(await openapiTS(new URL(`file://${join(process.cwd(), "..", "docs", "openapi.json")}`)));
  const kept = readFileSync(join(process.cwd(), "src", "api", "types.ts"), "utf8");
  // The command puts a note before it, and formatting is Biome's.
  const bare = (text: string) => text.slice(text.indexOf("export interface paths")).replace(/[\s;,]+/g, "");
  expect(bare(kept) === bare(made)).toBe(true);
}, 30_000);
