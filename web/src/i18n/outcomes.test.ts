import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { withoutReference } from "~/ui/Said";
import { duties, telling } from "../console/lib/remedy";
import { loadOutcomes, outcomeTexts } from "./outcomes";
import table from "./outcomes.de.json";

const english = {
  label: "OATH Code Incorrect",
  person: "Sign-in failed.",
  help_desk: "The code fits no app or token of this account. Tell the caller: Wait.",
  administrator: "The password was right.",
  remedy: "Person: wait.",
  reference: "7F3K-92QD",
};
const german = table["oath-code-incorrect"];

describe("texts of outcomes", () => {
  it("are the server's until they are loaded", () => {
    expect(outcomeTexts("de", "oath-code-incorrect", english)).toEqual(english);
  });
  it("are German once they are loaded, and leave the rest alone", async () => {
    await loadOutcomes("de");
    expect(outcomeTexts("de", "oath-code-incorrect", english)).toEqual({ ...german, reference: "7F3K-92QD" });
  });
  it("stay the server's in English", async () => {
    await loadOutcomes("en");
    expect(outcomeTexts("en", "oath-code-incorrect", english)).toBe(english);
  });
  it.each([undefined, "", "none", "of-a-newer-server", "constructor"])("stay the server's for the outcome %j", (name) => {
    expect(outcomeTexts("de", name, english)).toBe(english);
  });
  it("do not say what the server kept from this reader", () => {
    expect(outcomeTexts("de", "oath-code-incorrect", { label: "OATH Code Incorrect", remedy: "" })).toEqual({
      label: german.label,
      remedy: "",
    });
  });
  it("do not claim that somebody was told what they were not", () => {
    const person = "Nothing: there was no answer, so the application reports a time-out.";
    expect(outcomeTexts("de", "client-unknown", { label: "Client Unknown", person })).toEqual({ label: "Client unbekannt", person });
  });
  it("are only labels where the outcome is another product's", () => {
    expect(outcomeTexts("de", "voiceprint-failed", english)).toEqual({ ...english, label: "Stimmabdruck stimmt nicht" });
  });
});

describe("the German texts", () => {
  const rows = Object.entries(table as Record<string, Partial<typeof english>>);
  it("address people as Sie", () => {
    for (const [name, row] of rows)
      for (const text of Object.values(row)) expect(text, name).not.toMatch(/\b(du|dich|dir|deine?[mnrs]?)\b/i);
  });
  it("say who must act and what to tell the caller so that the pages find it", () => {
    for (const [name, row] of rows.filter(([, r]) => r.remedy)) {
      expect(
        duties(row.remedy ?? "").map((d) => d.who),
        name,
      ).not.toContain("");
      expect(telling(row.help_desk ?? "").tells, name).toBeTruthy();
    }
  });
  it("tell people the same as the sign-in pages, reference or not", () => {
    const { says } = JSON.parse(readFileSync(new URL("./de.json", import.meta.url), "utf8")) as { says: Record<string, string> };
    expect(says[withoutReference("Sign-in failed. Reference 7F3K-92QD.")]).toBe(german.person);
    const known = new Set(Object.values(says));
    for (const [name, row] of rows) if (row.person) expect(known, name).toContain(row.person);
  });
});
