import { describe, expect, it } from "vitest";
import { filterQuery, isOver, lookUp, moreLike, parseFilter, spanOf, withFilter } from "./filter";

const now = new Date(2026, 10, 22, 23, 30); // in whatever zone the reader is

describe("parseFilter", () => {
  it("reads what it knows and leaves the rest out", () => {
    expect(parseFilter({ account: " alice ", page: "3", stage: "answer", open: "7F3K-92QD" })).toEqual({
      account: "alice",
      stage: "answer",
    });
  });
  it("reads numbers and booleans as the texts that they were", () => {
    expect(parseFilter({ account: 123, at_fault: true })).toEqual({ account: "123", at_fault: "true" });
  });
  it("takes no span, flag or time that makes no sense", () => {
    expect(parseFilter({ within: "3y", at_fault: "maybe", since: "soon", until: { a: 1 } })).toEqual({});
  });
  it("lets exact times win over a span", () => {
    expect(parseFilter({ within: "1h", since: "2026-11-22T10:00:00Z" })).toEqual({ since: "2026-11-22T10:00:00Z" });
  });
  it("gives back what an address holds", () => {
    const f = { account: "a&b=c", client: "fw 1", within: "24h" };
    expect(parseFilter(Object.fromEntries(new URLSearchParams(f)))).toEqual(f);
  });
});

describe("withFilter", () => {
  it("sets, replaces and removes", () => {
    expect(withFilter({ account: "a" }, "client", "fw")).toEqual({ account: "a", client: "fw" });
    expect(withFilter({ account: "a" }, "account", undefined)).toEqual({});
    expect(withFilter({ account: "a" }, "account", " ")).toEqual({});
  });
  it("keeps one way of saying when", () => {
    expect(withFilter({ since: "2026-11-22T10:00:00Z" }, "within", "1h")).toEqual({ within: "1h" });
    expect(withFilter({ within: "1h" }, "until", "2026-11-22T10:00:00Z")).toEqual({ until: "2026-11-22T10:00:00Z" });
  });
});

describe("filterQuery", () => {
  it("works out spans at a moment", () => {
    expect(filterQuery({ verdict: "reject", within: "1h" }, now)).toEqual({
      verdict: "reject",
      since: new Date(2026, 10, 22, 22, 30).toISOString(),
    });
  });
  it("takes yesterday for the reader's own day", () => {
    expect(filterQuery({ within: "yesterday" }, now)).toEqual({
      since: new Date(2026, 10, 21).toISOString(),
      until: new Date(2026, 10, 22).toISOString(),
    });
  });
});

describe("spanOf", () => {
  it("knows no other words", () => {
    expect(spanOf("tomorrow", now)).toBeUndefined();
    expect(spanOf("", now)).toBeUndefined();
  });
  it("goes over the end of a month", () => {
    expect(spanOf("yesterday", new Date(2026, 2, 1, 9))?.since).toEqual(new Date(2026, 1, 28));
  });
});

describe("isOver", () => {
  it("is true only of what has ended", () => {
    expect(isOver({ within: "yesterday" }, now)).toBe(true);
    expect(isOver({ within: "24h" }, now)).toBe(false);
    expect(isOver({ until: new Date(2026, 10, 22, 23).toISOString() }, now)).toBe(true);
    expect(isOver({ until: new Date(2026, 10, 23).toISOString() }, now)).toBe(false);
  });
});

describe("moreLike", () => {
  it("asks for the same cause at the same client", () => {
    expect(moreLike({ outcome: "password-wrong", client: "fw", verdict: "reject" })).toEqual({ outcome: "password-wrong", client: "fw" });
    expect(moreLike({ outcome: "client-unknown", client: "", verdict: "ignore" })).toEqual({ outcome: "client-unknown" });
  });
});

describe("lookUp", () => {
  it.each([
    ["7F3K-92QD", "7F3K-92QD"],
    ["7f3k92qd", "7F3K-92QD"],
    [" 7f3k 92qd ", "7F3K-92QD"],
    ["OIL0-92QD", "0110-92QD"], // O for 0, I and L for 1
  ])("reads %s as the reference %s", (text, reference) => {
    expect(lookUp(text).reference).toBe(reference);
  });
  it.each(["alice", "carla.mueller", "EXAMPLE\\bob", "7F3K-92QU", "7F3K-92QDX", "bob@example.org"])("reads %s as a name only", (text) => {
    expect(lookUp(text)).toEqual({ name: text });
  });
  it("reads nothing as nothing", () => {
    expect(lookUp("  ")).toEqual({});
  });
});
