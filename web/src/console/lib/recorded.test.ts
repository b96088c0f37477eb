import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import de from "../i18n/de.json";
import en from "../i18n/en.json";
import { recorded, withTimes } from "./recorded";
import type { Text } from "./sentence";

const exact = (time: string) => `<${time}>`;
const i18n = i18next.createInstance();
const said = (path: string, value: string, lng = "en") =>
  recorded(path, value, ((key, values) => String(i18n.t(key, { ...values, lng }))) as Text, exact);

beforeAll(() => i18n.init({ resources: { en: { translation: en }, de: { translation: de } }, fallbackLng: "en" }));

describe("recorded values", () => {
  it.each([
    ["enabled", "true", "Yes"],
    ["lax", "false", "No"],
    ["factor", "oath", "Authenticator app or token"],
    ["factor", "webauthn", "Passkey"],
    ["methods", "pin", "PIN"],
    ["role", "help-desk", "Help desk"],
    ["need", "refuse", "Refuse"],
    ["then.need", "both", "Both factors"],
    ["unenrolled", "refuse", "Are refused"],
    ["mode", "challenge", "Asked for in a second question"],
    ["password", "verify", "Checked here"],
    ["origin", "calling-station-id", "As the client says (Calling-Station-Id)"],
    ["door", "radius", "RADIUS"],
    ["type", "user_application", "Same person and application"],
    ["permissions", "account.read", "See accounts"],
    ["expires", "2026-11-24T04:02:09Z", "<2026-11-24T04:02:09Z>"],
  ])("%s %s: %s", (path, value, words) => {
    expect(said(path, value)).toBe(words);
    expect(said(path, value, "de"), "German").toBeTruthy();
  });
  it.each([
    ["name", "oath"],
    ["role", "night.shift"],
    ["factor", "sundial"],
    ["role", "a:b"],
    ["source", "192.0.2.0/24"],
    ["place", "1"],
  ])("%s %s stays as it is", (path, value) => {
    expect(said(path, value)).toBeUndefined();
  });
});

describe("times within a text", () => {
  it("are said in the reader's way, and nothing else is", () => {
    expect(withTimes("link, until 2026-11-24T04:02:09Z", exact)).toBe("link, until <2026-11-24T04:02:09Z>");
    expect(withTimes("2026-11-24T04:02:09.5+01:00; 2026-11-25T00:00:00Z", exact)).toBe(
      "<2026-11-24T04:02:09.5+01:00>; <2026-11-25T00:00:00Z>",
    );
    expect(withTimes("order 2026-11-24", exact)).toBe("order 2026-11-24");
  });
});
