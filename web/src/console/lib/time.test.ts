import { describe, expect, it } from "vitest";
import { kept, span } from "./time";

describe("kept", () => {
  it.each([
    ["2160h0m0s", "en", "90 days"],
    ["24h0m0s", "en", "1 day"],
    ["36h30m0s", "en", "1 day, 12 hours, 30 minutes"],
    ["720h0m0s", "de", "30 Tage"],
    ["90m", "en", "1 hour, 30 minutes"],
    ["0s", "en", "0s"],
    ["a while", "en", "a while"],
    ["", "en", ""],
  ])("%s in %s is %s", (duration, language, want) => {
    expect(kept(duration, language)).toBe(want);
  });
});

describe("span", () => {
  it.each([
    [840, "en", "840 µs"],
    [12_000, "en", "12 ms"],
    [3_400_000, "en", "3.4 s"],
    [119 * 60_000_000, "en", "119 min"],
    [180 * 60_000_000, "en", "3 hours"],
    [180 * 60_000_000, "de", "3 Stunden"],
    [4 * 86_400_000_000, "en", "4 days"],
  ])("%d in %s is %s", (micros, language, want) => {
    expect(span(micros, language)).toBe(want);
  });
});
