import { describe, expect, it } from "vitest";
import { type PinFault, pinFault, pinStanding } from "./pin";

const bounds = { min_digits: 6, max_digits: 16 };

// The same PINs as in the test of the server's rules, factor/pin.
describe("a PIN", () => {
  const rows: [string, PinFault | undefined][] = [
    ["270418", undefined],
    ["", "short"],
    ["0911", "short"],
    ["09110", "short"],
    ["2704182704182704", undefined],
    ["27041827041827041", "long"],
    ["27041a", "digits"],
    ["270 418", "digits"],
    ["٢٧٠٤١٨", "digits"],
    ["270411", undefined],
    ["271118", "same"],
    ["000418", "same"],
    ["270444", "same"],
    ["271238", "counts"],
    ["276543", "counts"],
    ["987418", "counts"],
    ["901841", undefined], // 9 is not followed by 0
    ["246809", undefined],
    ["270270", "halves"],
    ["27042704", "halves"],
    ["2704270", undefined],
  ];
  it.each(rows)("%j is judged", (pin, want) => {
    expect(pinFault(pin, bounds)).toBe(want);
  });
  it("keeps to the length that is set", () => {
    expect(pinFault("2704", { min_digits: 4, max_digits: 16 })).toBeUndefined();
    expect(pinFault("2727", { min_digits: 4, max_digits: 16 })).toBe("halves");
    expect(pinFault("270418", { min_digits: 8, max_digits: 16 })).toBe("short");
  });
});

describe("the standing of a PIN", () => {
  const now = new Date("2026-11-23T12:00:00Z");
  const set = "2026-10-01T08:00:00Z";
  const rows: [string, { set?: string; expires?: string }, string][] = [
    ["is none if there is none", {}, "none"],
    ["is good if it never ends", { set }, "good"],
    ["is good for long", { set, expires: "2026-12-07T12:00:00.001Z" }, "good"],
    ["is ending a fortnight before", { set, expires: "2026-12-07T12:00:00Z" }, "ending"],
    ["is ending to the last", { set, expires: "2026-11-23T12:00:00.001Z" }, "ending"],
    ["is expired from then on", { set, expires: "2026-11-23T12:00:00Z" }, "expired"],
  ];
  it.each(rows)("%s", (_, pin, want) => {
    expect(pinStanding(pin, now)).toBe(want);
  });
});
