import { describe, expect, it } from "vitest";
import { diff } from "./diff";

describe("diff", () => {
  it("names what changed and nothing else", () => {
    expect(diff('{"name":"a","need":"both"}', '{"name":"a","need":"primary"}')).toEqual([
      { path: "need", kind: "changed", before: "both", after: "primary" },
    ]);
  });
  it("takes objects as well as their JSON", () => {
    expect(diff({ lax: false }, { lax: true })).toEqual([{ path: "lax", kind: "changed", before: "false", after: "true" }]);
  });
  it("says which names lists lost and won", () => {
    expect(diff({ groups: ["staff", "it"] }, { groups: ["staff", "board"] })).toEqual([
      { path: "groups", kind: "removed", before: "it" },
      { path: "groups", kind: "added", after: "board" },
    ]);
  });
  it("sees that only the order of a list changed", () => {
    expect(diff({ methods: ["oath", "recovery"] }, { methods: ["recovery", "oath"] })).toEqual([
      { path: "methods", kind: "changed", before: "oath, recovery", after: "recovery, oath" },
    ]);
  });
  it("goes into records within records", () => {
    expect(diff({ says: { need: "both", wait: 0 } }, { says: { need: "refuse", wait: 0 } })).toEqual([
      { path: "says.need", kind: "changed", before: "both", after: "refuse" },
    ]);
  });
  it("shows all of a record that was made or ended", () => {
    expect(diff("", '{"name":"a","groups":["x"]}')).toEqual([
      { path: "groups", kind: "added", after: "x" },
      { path: "name", kind: "added", after: "a" },
    ]);
    expect(diff('{"name":"a"}', undefined)).toEqual([{ path: "name", kind: "removed", before: "a" }]);
  });
  it("takes nothing, null and an empty list for the same", () => {
    expect(diff({ a: null, b: [], c: "" }, {})).toEqual([]);
  });
  it("does not take false and 0 for nothing", () => {
    expect(diff({ enabled: true, place: 1 }, { enabled: false, place: 0 })).toEqual([
      { path: "enabled", kind: "changed", before: "true", after: "false" },
      { path: "place", kind: "changed", before: "1", after: "0" },
    ]);
  });
  it("hides nothing that is no JSON", () => {
    expect(diff("was: {broken", "is: other")).toEqual([{ path: "", kind: "changed", before: "was: {broken", after: "is: other" }]);
  });
  it("shows lists of records whole", () => {
    expect(diff({ keys: [{ a: 1 }] }, { keys: [{ a: 2 }] })).toEqual([
      { path: "keys", kind: "changed", before: '[{"a":1}]', after: '[{"a":2}]' },
    ]);
  });
});
