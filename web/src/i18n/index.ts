import i18next, { type BackendModule } from "i18next";
import { initReactI18next } from "react-i18next";

export const languages = ["en", "de"] as const;
export type Language = (typeof languages)[number];

const kept = "sallyport.language";

/** The texts of a language and area; each is a file of its own, loaded when it is first needed. */
const files: Record<string, () => Promise<{ default: object }>> = {
  ...import.meta.glob<{ default: object }>(["./en.json", "./de.json"]),
  ...import.meta.glob<{ default: object }>(["../console/i18n/en.json", "../console/i18n/de.json"]),
};

const backend: BackendModule = {
  type: "backend",
  init() {},
  read(language, namespace, done) {
    const load = files[namespace === "base" ? `./${language}.json` : `../${namespace}/i18n/${language}.json`];
    if (!load) {
      done(null, {});
      return;
    }
    load().then(
      (m) => done(null, m.default),
      (e: unknown) => done(e instanceof Error ? e : new Error(String(e)), null),
    );
  },
};

/** The language that the reader chose here, or else the first of their browser's that we have. */
export function preferred(chosen: string | null, wanted: readonly string[]): Language {
  for (const w of [chosen, ...wanted]) {
    const known = languages.find((l) => w === l || w?.toLowerCase().startsWith(`${l}-`));
    if (known) return known;
  }
  return "en";
}

function stored(): string | null {
  try {
    return localStorage.getItem(kept);
  } catch {
    return null; // storage is switched off: the browser's language will do
  }
}

export async function startLanguage(): Promise<void> {
  i18next.on("languageChanged", (l) => {
    document.documentElement.lang = l;
  });
  await i18next
    .use(backend)
    .use(initReactI18next)
    .init({
      lng: preferred(stored(), navigator.languages),
      fallbackLng: "en",
      supportedLngs: [...languages],
      ns: ["base"],
      defaultNS: "base",
      partialBundledLanguages: false,
      interpolation: { escapeValue: false }, // React escapes
      returnNull: false,
      react: { useSuspense: true },
    });
}

export async function chooseLanguage(l: Language): Promise<void> {
  try {
    localStorage.setItem(kept, l);
  } catch {
    // It holds for this page only, then.
  }
  await i18next.changeLanguage(l);
}

export function language(): Language {
  return preferred(i18next.resolvedLanguage ?? i18next.language, []);
}

/** The language in which the server is to speak (RFC 9110, Section 12.5.4). */
export function acceptLanguage(): string {
  const l = language();
  return l === "en" ? "en" : `${l}, en;q=0.5`;
}
