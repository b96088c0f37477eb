import { describe, expect, it } from "vitest";
import type { PatienceView } from "../api/types";
import { consoleLink } from "./link";
import { patienceLine } from "./patience";
import { duties, mending, telling } from "./remedy";
import { moved, moves } from "./rules";

describe("moves", () => {
  const play = (now: string[], list: { name: string; place: number }[]) => {
    const order = [...now];
    for (const m of list) {
      order.splice(order.indexOf(m.name), 1);
      order.splice(m.place - 1, 0, m.name);
    }
    return order;
  };
  it.each([
    [
      ["a", "b", "c"],
      ["a", "b", "c"],
    ],
    [
      ["a", "b", "c"],
      ["c", "a", "b"],
    ],
    [
      ["a", "b", "c", "d"],
      ["d", "c", "b", "a"],
    ],
    [
      ["a", "b", "c", "d"],
      ["b", "a", "d", "c"],
    ],
  ])("makes %j into %j", (now, wanted) => {
    expect(play(now, moves(now, wanted))).toEqual(wanted);
  });
  it("does nothing where nothing moved", () => expect(moves(["a", "b"], ["a", "b"])).toEqual([]));
  it("moves one item within bounds", () => {
    expect(moved(["a", "b", "c"], 0, 2)).toEqual(["b", "c", "a"]);
    expect(moved(["a", "b"], 0, 5)).toEqual(["a", "b"]);
  });
});

describe("duties", () => {
  it("tells who must do what", () => {
    expect(duties("Help desk: unlock it. Administrator: look for a device with an old password. It may be a phone.")).toEqual([
      { who: "Help desk", what: "Unlock it." },
      { who: "Administrator", what: "Look for a device with an old password. It may be a phone." },
    ]);
  });
  it("knows the names in German", () => {
    expect(duties("Niemand: Nichts zu tun. Helpdesk: Fragen. Administrator: Nachsehen.").map((d) => d.who)).toEqual([
      "Nobody",
      "Help desk",
      "Administrator",
    ]);
  });
  it("takes no colon within a sentence for a name", () => {
    expect(duties("Look at the log. Likely causes: a clock.")).toEqual([{ who: "", what: "Look at the log. Likely causes: a clock." }]);
  });
  it("says nothing of nothing", () => expect(duties("")).toEqual([]));
});

describe("mending", () => {
  it("leads to the PIN where it is in the way", () => {
    expect(mending("oath-code-pin-incorrect", "alice")).toBe("trace.remove_pin");
    expect(mending("oath-pin-expired", "alice")).toBe("trace.remove_pin");
  });
  it("leads nowhere else", () => {
    expect(mending("oath-code-incorrect", "alice")).toBeUndefined();
    expect(mending("oath-code-pin-incorrect", "")).toBeUndefined();
  });
});

describe("telling", () => {
  it("parts what is read from what is told", () => {
    expect(telling("The code was wrong. Tell the caller: Try again.")).toEqual({ reads: "The code was wrong.", tells: "Try again." });
    expect(telling("Nothing.")).toEqual({ reads: "Nothing." });
    expect(telling("Der Code war falsch. Sagen Sie der anrufenden Person: Noch einmal.")).toEqual({
      reads: "Der Code war falsch.",
      tells: "Noch einmal.",
    });
  });
});

describe("consoleLink", () => {
  it.each([
    ["/console/accounts/bob", "/console/accounts/bob"],
    ["/v1/events/7F3K-92QD", "/console/sign-ins/7F3K-92QD"],
    ["findings", "/console/findings"],
    ["", undefined],
    [undefined, undefined],
    ["https://evil.example/", undefined],
    ["//evil.example/", undefined],
    ["javascript:alert(1)", undefined],
  ])("%s is %s", (link, to) => expect(consoleLink(link)).toBe(to));
});

describe("patienceLine", () => {
  const p = {
    interval_ms: 5000,
    growth: 2,
    sendings: 3,
    gives_up_ms: 20_000,
    gives_up_last_ms: 20_000,
    p50_ms: 4000,
    p90_ms: 9000,
    p99_ms: 31_000,
  } as PatienceView;
  it("puts each sending where it is", () => expect(patienceLine(p).sendings).toEqual([0, 5000, 15_000]));
  it("is as long as the longest of all", () => {
    const line = patienceLine(p);
    expect(line.end).toBeGreaterThanOrEqual(31_000);
    expect(line.givesUpLast).toBeUndefined();
    expect(line.marks[0]).toBe(0);
    expect(line.marks.length).toBeLessThan(12);
  });
  it("draws no line for what is not known", () => {
    const line = patienceLine({ ...p, interval_ms: 0, sendings: 0, gives_up_ms: 0, p50_ms: 0, p90_ms: 0, p99_ms: 0 });
    expect(line.sendings).toEqual([0]);
    expect(line.givesUp).toBeUndefined();
    expect(line.end).toBeGreaterThan(0);
  });
});
