// German: the same texts under the same keys, and no English left on the pages.
import { expect } from "@playwright/test";
import { flat, loadStory, settled, test, texts, type Visitor } from "./kit";
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

/** The letters of a text: what is left when a page has begun a sentence of the server's with a capital, or ended it with a full stop. */
const letters = (s: string) =>
  s
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();

/** Collects what the server says: its catalogue and its records are in English, and their words are not the pages'. */
function listen(v: Visitor): Set<string> {
  const said = new Set<string>();
  const take = (value: unknown) => {
    if (typeof value === "string") said.add(letters(value));
    else if (value !== null && typeof value === "object") for (const inner of Object.values(value)) take(inner);
  };
  v.page.on("response", (r) => {
    if (!new URL(r.url()).pathname.startsWith("/v1/") || !/json/.test(r.headers()["content-type"] ?? "")) return;
    r.json().then(take, () => undefined);
  });
  return said;
}

/**
 * Texts on the page that are English: sentences of our own that have a German
 * form, and others with English words in them, unless they are marked as another
 * language (WCAG 2.2, 3.1.2) or the server's.
 */
async function englishOn(v: Visitor, exact: string[], said: Set<string>): Promise<string[]> {
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
  // Part of a longer text of the server counts if it is a phrase, so that no single word excuses itself.
  const theirs = (s: string) => {
    const own = letters(s);
    return said.has(own) || [...said].some((x) => (own.includes(" ") && x.includes(own)) || (x.includes(" ") && own.includes(x)));
  };
  return [...new Set(found.filter((s) => (known.has(s) || englishWords.test(s)) && !theirs(s)))];
}

test("no English is left on the pages", async ({ come }) => {
  test.setTimeout(10 * 60_000);
  const v = await come("owner", { locale: "de-DE" });
  const said = listen(v);
  const exact = areas.flatMap((area) => {
    const de = new Set(flat(texts[area].de()).values());
    return [...flat(texts[area].en()).values()].filter((s) => !de.has(s) && !s.includes("{{"));
  });
  let looked = 0;
  const visit = async (places: Place[]) => {
    for (const { path } of places) {
      await v.page.goto(path);
      await settled(v.page);
      expect(await v.page.evaluate(() => document.documentElement.lang), path).toBe("de");
      expect.soft(await englishOn(v, exact, said), path).toEqual([]);
      looked++;
    }
  };
  // The reference of the API is in English.
  await visit(open.filter((p) => p.name !== "reference-api"));
  await v.signIn("owner");
  await visit(consolePages(loadStory()));
  await v.signInToPortal("owner");
  await visit(portal());
  expect(looked).toBeGreaterThan(30);
  // An English page would be found out.
  await v.context.addInitScript(() => localStorage.setItem("sallyport.language", "en"));
  await v.page.goto("/portal");
  await settled(v.page);
  await v.page.evaluate(() => {
    document.documentElement.lang = "de";
  });
  expect((await englishOn(v, exact, said)).length, "English is seen").toBeGreaterThan(3);
});
