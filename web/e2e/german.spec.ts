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

type Fields = Record<string, unknown>;

/**
 * Whether a text of the API is data: a name, what an administrator wrote, a raw
 * log line. Everything else that people read is a sentence, and the server says
 * it in their language. Some fields are called the same in both.
 */
function isData(of: Fields, key: string): boolean {
  switch (key) {
    case "note": // of a trusted network, or of a step in a trace
      return !("stage" in of);
    case "label": // of an authenticator, or of an outcome or a column
      return "factor" in of && !("outcome" in of);
    case "detail": // why an account was blocked, or any other
      return of.action === "account.block" || of.what === "block" || of.what === "certificate";
    case "reason": // of a bypass, or why a row was not imported
      return !("line" in of);
    case "text": // of a log, or of something to do
      return "file" in of;
  }
  return !sentences.has(key);
}

const sentences = new Set(
  (
    "administrator advice answer confidence_reason done help help_desk hint means message notes person remarks remedy " +
    "title warnings weakens what who"
  ).split(" "),
);

/** Collects the data that the server sends: it is as it is in any language. Only what looks like English matters. */
function listen(v: Visitor): Set<string> {
  const data = new Set<string>();
  const take = (value: unknown, own: boolean) => {
    if (typeof value === "string") {
      if (own && englishWords.test(value)) data.add(letters(value));
    } else if (Array.isArray(value)) for (const inner of value) take(inner, own);
    else if (value !== null && typeof value === "object")
      for (const [key, inner] of Object.entries(value)) take(inner, isData(value as Fields, key));
  };
  v.page.on("response", (r) => {
    if (!new URL(r.url()).pathname.startsWith("/v1/") || !/json/.test(r.headers()["content-type"] ?? "")) return;
    r.json().then(
      (body) => take(body, true),
      () => undefined,
    );
  });
  return data;
}

/**
 * Texts on the page that are English: sentences of our own that have a German
 * form, and others with English words in them, unless they are marked as another
 * language (WCAG 2.2, 3.1.2). Data in them does not count.
 */
async function englishOn(v: Visitor, exact: string[], data: Set<string>): Promise<string[]> {
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
  const longest = [...data].sort((x, y) => y.length - x.length);
  /** What is left of a text without the data in it. */
  const ours = (text: string) => longest.reduce((s, d) => ` ${s} `.replaceAll(` ${d} `, " ").trim(), letters(text));
  return [...new Set(found.filter((s) => ours(s) !== "" && (known.has(s) || englishWords.test(ours(s)))))];
}

test("no English is left on the pages", async ({ come }) => {
  test.setTimeout(10 * 60_000);
  const v = await come("owner", { locale: "de-DE" });
  const data = listen(v);
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
      expect.soft(await englishOn(v, exact, data), path).toEqual([]);
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
  expect((await englishOn(v, exact, data)).length, "English is seen").toBeGreaterThan(3);
});
