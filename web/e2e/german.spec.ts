// German: the same texts under the same keys, and no English left on the pages.
import { expect, test } from "@playwright/test";
import { flat, loadStory, saveStory, settled, texts, Visitor } from "./kit";
import { consolePages, open, type Place, portal } from "./places";

const areas = ["base", "console"] as const;

for (const area of areas) {
  test(`the texts of ${area} are all there, in both languages`, () => {
    const en = flat(texts[area].en());
    const de = flat(texts[area].de());
    expect(
      [...de.keys()].filter((k) => !en.has(k)),
      "only in German",
    ).toEqual([]);
    expect(
      [...en.keys()].filter((k) => !de.has(k)),
      "not translated",
    ).toEqual([]);
    expect(en.size).toBeGreaterThan(50);
    expect(
      [...en, ...de].filter(([, text]) => text.trim() === "").map(([key]) => key),
      "empty",
    ).toEqual([]);
    const names = (s: string | undefined) =>
      [...(s ?? "").matchAll(/\{\{\s*(\w+)/g)]
        .map((m) => m[1])
        .sort()
        .join(" ");
    expect(
      [...en].filter(([k, s]) => names(s) !== names(de.get(k))).map(([k]) => k),
      "with other values in them",
    ).toEqual([]);
    // Names and numbers may be the same in both; whole sentences may not.
    const sentences = [...en].filter(([k, s]) => /\s\S+\s\S+\s/.test(s) && de.get(k) === s).map(([k]) => k);
    expect(sentences, "English sentences in German").toEqual([]);
  });
}

// Words that German does not have.
const englishWords =
  /\b(the|and|of|with|your|you|this|that|these|those|are|were|not found|which|from|because|every|nothing|nobody|who|why|when|sign-in|sign in|log in)\b/i;

/**
 * Texts on the page that are English: sentences of our own that have a German
 * form, and others with English words in them, unless they are marked as another
 * language (WCAG 2.2, 3.1.2).
 */
async function englishOn(v: Visitor, exact: string[]): Promise<string[]> {
  const found = await v.page.evaluate(() => {
    const list: string[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let n = walker.nextNode(); n; n = walker.nextNode()) {
      const e = n.parentElement;
      const text = (n.textContent ?? "").trim();
      if (!text || !e || e.closest("script, style, noscript, code, pre, kbd")) continue;
      if (e.closest("[lang]")?.getAttribute("lang") !== "de") continue;
      list.push(text);
    }
    for (const e of document.body.querySelectorAll("[aria-label], [placeholder], [title], [alt]")) {
      if (e.closest("[lang]")?.getAttribute("lang") !== "de") continue;
      for (const a of ["aria-label", "placeholder", "title", "alt"]) {
        const text = e.getAttribute(a)?.trim();
        if (text) list.push(text);
      }
    }
    return list;
  });
  const known = new Set(exact);
  return [...new Set(found.filter((s) => known.has(s) || englishWords.test(s)))];
}

test("no English is left on the pages", async ({ browser }) => {
  test.setTimeout(10 * 60_000);
  const story = loadStory();
  const v = await Visitor.come(browser, { locale: "de-DE" }, story.passkeys.owner);
  const exact = areas.flatMap((area) => {
    const de = new Set(flat(texts[area].de()).values());
    return [...flat(texts[area].en()).values()].filter((s) => !de.has(s) && !s.includes("{{"));
  });
  const visit = async (places: Place[]) => {
    for (const { path } of places) {
      await v.page.goto(path);
      await settled(v.page);
      expect(await v.page.evaluate(() => document.documentElement.lang), path).toBe("de");
      expect.soft(await englishOn(v, exact), path).toEqual([]);
    }
  };
  await visit(open.filter((p) => p.name !== "reference-api")); // the reference of the API is in English
  await v.signIn("owner");
  await visit(consolePages(story));
  await v.signInToPortal("owner");
  await visit(portal());
  story.passkeys.owner = await v.passkeys();
  saveStory(story);
  await v.leave();
});
