// Every page, in both themes, wide and narrow: nothing that axe-core finds,
// nothing that the browser complains about, no sideways scrolling, little
// script.
import { expect } from "@playwright/test";
import { loadStory, settled, test, type Visitor } from "./kit";
import { axeFinds, look, scripts, sticksOut } from "./look";
import { consolePages, open, type Place, portal } from "./places";

// What looks at pages must see: here it is shown each fault once.
test("faults are seen", async ({ come }) => {
  const v = await come("", { viewport: { width: 360, height: 740 } });
  const { page } = v;
  await page.goto("/sign-in?client=portal");
  await settled(page);
  expect(await axeFinds(page)).toEqual([]);
  expect(await sticksOut(page)).toEqual([]);
  expect(v.faults).toEqual([]);
  expect(await scripts(page)).toBeGreaterThan(50_000);
  await page.evaluate(() => {
    const p = document.createElement("p");
    p.style.color = "#bbb";
    p.style.width = "900px";
    p.textContent = "faint and wide";
    const script = document.createElement("script");
    script.textContent = "1";
    document.querySelector("main")?.append(p, document.createElement("button"), script);
  });
  const found = (await axeFinds(page)).join("\n");
  expect(found).toContain("color-contrast");
  expect(found).toContain("button-name");
  expect((await sticksOut(page)).join("\n")).toContain("p.");
  await expect.poll(() => v.faults.join("\n")).toContain("Content Security Policy");
});

for (const scheme of ["light", "dark"] as const) {
  const visit = async (v: Visitor, places: Place[]) => {
    for (const { name, path } of places) {
      await test.step(`${path} ${scheme}`, async () => {
        await v.page.setViewportSize({ width: 1280, height: 900 });
        await v.page.goto(path);
        await settled(v.page);
        await expect.soft(v.page.getByRole("alert"), `${name}: nothing has happened that must be read out at once`).toHaveCount(0);
        await look(v.page, { name, scheme });
      });
    }
    expect(v.faults, "what the browser complained about").toEqual([]);
  };

  test(`pages for everybody, ${scheme}`, async ({ come }) => {
    test.setTimeout(5 * 60_000);
    await visit(await come("", { colorScheme: scheme }), open);
  });

  test(`pages of the portal, ${scheme}`, async ({ come }) => {
    test.setTimeout(5 * 60_000);
    const v = await come("owner", { colorScheme: scheme });
    await v.signInToPortal("owner");
    await visit(v, portal());
  });

  test(`pages of the console, ${scheme}`, async ({ come }) => {
    test.setTimeout(15 * 60_000);
    const v = await come("owner", { colorScheme: scheme });
    await v.signIn("owner");
    await visit(v, consolePages(loadStory()));
  });
}
