import { useCallback, useEffect, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { type Language, language } from "./index";

/** What the catalogue says of an outcome. */
export interface OutcomeTexts {
  label?: string;
  person?: string;
  help_desk?: string;
  administrator?: string;
  remedy?: string;
}

/** The texts of outcomes by their stable names. */
export type OutcomeTable = Readonly<Record<string, OutcomeTexts>>;

// The server speaks English, so that English readers load nothing.
const files: Partial<Record<Language, () => Promise<{ default: OutcomeTable }>>> = { de: () => import("./outcomes.de.json") };

const tables = new Map<Language, OutcomeTable>();
const underway = new Map<Language, Promise<void>>();
const readers = new Set<() => void>();

/** Loads the texts of a language, once. Without them, the server's are shown; the next page tries again. */
export function loadOutcomes(l: Language): Promise<void> {
  const load = files[l];
  if (!load) return Promise.resolve();
  let p = underway.get(l);
  if (!p) {
    p = load().then(
      (m) => {
        tables.set(l, m.default);
        for (const told of readers) told();
      },
      () => {
        underway.delete(l);
      },
    );
    underway.set(l, p);
  }
  return p;
}

/** What the console shows in place of a person's sentence where nobody was answered. */
const unanswered = "Nothing: ";

/**
 * The texts of an outcome in a language, as far as they are loaded: those that
 * english names, translated. What has no translation stays as the server says
 * it, and what the server left out, because the reader may not see it, stays out.
 */
export function outcomeTexts<T extends OutcomeTexts>(l: Language, outcome: string | undefined, english: T): T {
  const table = tables.get(l);
  const row = table && outcome !== undefined && Object.hasOwn(table, outcome) ? table[outcome] : undefined;
  if (!row) return english;
  const shown = { ...english };
  for (const key of ["label", "person", "help_desk", "administrator", "remedy"] as const) {
    const text = row[key];
    if (!english[key] || !text || (key === "person" && english.person?.startsWith(unanswered))) continue;
    shown[key] = text;
  }
  return shown;
}

function follow(told: () => void): () => void {
  readers.add(told);
  return () => readers.delete(told);
}

/** outcomeTexts in the reader's language; shows them as soon as they are loaded. */
export function useOutcomes(): <T extends OutcomeTexts>(outcome: string | undefined, english: T) => T {
  useTranslation(); // renders anew when the language changes
  const l = language();
  const table = useSyncExternalStore(follow, () => tables.get(l));
  useEffect(() => void loadOutcomes(l), [l]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: other texts once the table is there
  return useCallback((outcome, english) => outcomeTexts(l, outcome, english), [l, table]);
}
