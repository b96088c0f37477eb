import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import de from "../i18n/de.json";
import en from "../i18n/en.json";
import { blank } from "./rules";
import { ruleSentence, type Text } from "./sentence";

const say: Record<string, Text> = {};
beforeAll(async () => {
  const i = i18next.createInstance();
  await i.init({
    lng: "en",
    ns: ["console"],
    defaultNS: "console",
    resources: { en: { console: en }, de: { console: de } },
    interpolation: { escapeValue: false },
  });
  for (const l of ["en", "de"]) {
    const t = i.getFixedT(l, "console");
    say[l] = (key, values) => String(t(key, values ?? {}));
  }
});
const sentence = (terms: Partial<typeof blank>, language = "en") => {
  const s = ruleSentence({ ...blank, ...terms }, say[language] as Text, language);
  return `${s.when} ${s.does.join("; ")}`;
};

describe("ruleSentence", () => {
  it("says the strictest", () => {
    expect(sentence({ built_in: true })).toBe("no rule above matches, ask for both factors; refuse people who hold none");
  });
  it("says a rule for everybody", () => {
    expect(sentence({ need: "refuse" })).toBe("anybody logs in anywhere, refuse");
  });
  it("lists conditions, and in each the names of which one must fit", () => {
    expect(sentence({ applications: ["vpn", "rdp"], groups: ["staff"], methods: ["oath"], unenrolled: "enrol" })).toBe(
      "the application is vpn or rdp and the person is in staff, ask for both factors, the second by Authenticator app or token; tell people who hold none to enrol first",
    );
  });
  it("says what it weakens, and what it replies", () => {
    expect(sentence({ clients: ["fw"], need: "primary", attributes: ["Filter-Id=a", "Class=b"] })).toBe(
      "the client is fw, let in on the first factor alone; reply with Filter-Id=a and Class=b",
    );
  });
  it("says nothing of methods where nobody is let in", () => {
    expect(sentence({ need: "refuse", attributes: ["Class=b"], methods: ["oath"] })).toBe("anybody logs in anywhere, refuse");
  });
  it("says seconds", () => {
    expect(sentence({ challenge_seconds: 120, wait_seconds: 30 })).toContain(
      "give 120 seconds for an answer; let a second request wait 30 seconds for the first",
    );
  });
  it("speaks German", () => {
    expect(sentence({ applications: ["vpn"], times: ["mon-fri 08:00-18:00 Europe/Berlin"] }, "de")).toBe(
      "die Anwendung vpn ist und die Zeit mon-fri 08:00-18:00 Europe/Berlin ist, beide Faktoren verlangen; Personen ohne zweiten Faktor ablehnen",
    );
  });
});
