// Every page, in both themes, wide and narrow: nothing that axe-core finds,
// nothing that the browser complains about, no sideways scrolling, little
// script.
import { expect, test } from "@playwright/test";
import { loadStory, saveStory, settled, Visitor } from "./kit";
import { look } from "./look";
import { consolePages, open, type Place, portal } from "./places";

for (const scheme of ["light", "dark"] as const) {
  const visit = async (v: Visitor, places: Place[]) => {
    for (const { name, path } of places) {
      await test.step(`${path} ${scheme}`, async () => {
        await v.page.setViewportSize({ width: 1280, height: 900 });
        await v.page.goto(path);
        await settled(v.page);
        await look(v.page, { name, scheme });
      });
    }
    expect(v.faults, "what the browser complained about").toEqual([]);
  };

  test(`pages for everybody, ${scheme}`, async ({ browser }) => {
    test.setTimeout(5 * 60_000);
    const v = await Visitor.come(browser, { colorScheme: scheme });
    await visit(v, open);
    await v.leave();
  });

  test(`pages of the portal, ${scheme}`, async ({ browser }) => {
    test.setTimeout(5 * 60_000);
    const story = loadStory();
    const v = await Visitor.come(browser, { colorScheme: scheme }, story.passkeys.owner);
    await v.signInToPortal("owner");
    await visit(v, portal());
    story.passkeys.owner = await v.passkeys();
    saveStory(story);
    await v.leave();
  });

  test(`pages of the console, ${scheme}`, async ({ browser }) => {
    test.setTimeout(15 * 60_000);
    const story = loadStory();
    const v = await Visitor.come(browser, { colorScheme: scheme }, story.passkeys.owner);
    await v.signIn("owner");
    story.passkeys.owner = await v.passkeys();
    saveStory(story);
    await visit(v, consolePages(story));
    await v.leave();
  });
}
