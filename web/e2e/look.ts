// What every page must keep to, whatever it is for.
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect, type Page } from "@playwright/test";
import type AxeBuild from "axe-core";
import { settled } from "./kit";

const axe = readFileSync(createRequire(join(process.cwd(), "package.json")).resolve("axe-core/axe.min.js"), "utf8");

/** Rules of WCAG 2.2, levels A and AA. */
const levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Scripts that one page may load, in octets as they are transferred. */
const maxScript = 300_000;

/** What axe-core finds wrong, one line each. */
export async function axeFinds(page: Page): Promise<string[]> {
  // The page's content security policy is for the page; what comes through the
  // debugger does not ask it.
  await page.evaluate(axe);
  return page.evaluate(async (levels) => {
    const axe = (window as unknown as { axe: typeof AxeBuild }).axe;
    const { violations, passes } = await axe.run(document, { runOnly: { type: "tag", values: levels }, resultTypes: ["violations"] });
    if (passes.length === 0) throw new Error("axe looked at nothing");
    return violations.flatMap((v) =>
      v.nodes.map((n) => `${v.id}: ${n.target.join(" ")}: ${(n.failureSummary ?? v.help).replace(/\s+/g, " ")}`),
    );
  }, levels);
}

/** Octets of all scripts that the page has loaded since it was opened, compressed as they came. */
export async function scripts(page: Page): Promise<number> {
  return page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .filter((r) => /\.m?js$/.test(new URL(r.name).pathname))
      .reduce((sum, r) => sum + (r as PerformanceResourceTiming).encodedBodySize, 0),
  );
}

/** What sticks out to the right, so that people would have to scroll sideways. */
export async function sticksOut(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const out = [`the page is ${document.documentElement.scrollWidth} wide, the screen ${width}`];
    for (const e of document.body.querySelectorAll("*")) {
      const box = e.getBoundingClientRect();
      if (box.right > width + 1 && box.width > 0)
        out.push(`${e.tagName.toLowerCase()}.${String(e.className).slice(0, 60)} ends at ${Math.round(box.right)}`);
    }
    return out.slice(0, 8);
  });
}

export interface Looked {
  name: string;
  scheme: "light" | "dark";
}

/**
 * Looks at the page that is open, wide and narrow: accessible, no sideways
 * scrolling, not too much script. Takes pictures if they are wanted.
 */
export async function look(page: Page, { name, scheme }: Looked): Promise<void> {
  for (const [width, height] of [
    [1280, 900],
    [360, 740],
  ] as const) {
    await page.setViewportSize({ width, height });
    await settled(page);
    const where = `${name}, ${scheme}, ${width} wide`;
    expect.soft(await axeFinds(page), where).toEqual([]);
    expect.soft(await sticksOut(page), where).toEqual([]);
    await picture(page, `${name}-${width}-${scheme}`);
  }
  const octets = await scripts(page);
  expect.soft(octets, `${name}: octets of script`).toBeLessThanOrEqual(maxScript);
  expect.soft(octets, `${name}: octets of script, measured`).toBeGreaterThan(0);
}

/** Leaves a picture of the page, where SALLYPORT_SCREENS says. */
export async function picture(page: Page, name: string): Promise<void> {
  const dir = process.env.SALLYPORT_SCREENS;
  if (!dir) return;
  await mkdir(dir, { recursive: true });
  await page.screenshot({ path: join(dir, `${name}.png`), fullPage: true, animations: "disabled", caret: "hide" });
}
