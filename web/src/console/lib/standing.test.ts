import { describe, expect, it } from "vitest";
import type { AccountView } from "../api/types";
import { obstacles } from "./standing";

const now = new Date("2026-11-22T22:00:00Z");
const phone = { id: "1", account: "alice", factor: "oath", label: "", used: true, created: "2026-01-01T00:00:00Z" };
const alice: AccountView = {
  id: "a",
  name: "alice",
  aliases: [],
  groups: [],
  enabled: true,
  blocked: false,
  created: "2026-01-01T00:00:00Z",
  authenticators: [phone],
  failures: { password: 0, code: 0, stopped: false },
};
const kinds = (a: Partial<AccountView>) => obstacles({ ...alice, ...a }, now).map((o) => `${o.kind}/${o.mend}`);

describe("obstacles", () => {
  it("finds none where there is none", () => expect(kinds({})).toEqual([]));
  it("puts first what must be mended first", () =>
    expect(kinds({ enabled: false, blocked: true, failures: { password: 9, code: 0, stopped: true }, authenticators: [] })).toEqual([
      "disabled/enable",
      "blocked/unblock",
      "stopped/unlock",
      "unenrolled/invite",
    ]));
  it("passes over a block and a wait that have ended", () =>
    expect(
      kinds({
        blocked: true,
        blocked_until: "2026-11-22T21:00:00Z",
        failures: { password: 3, code: 0, stopped: false, waiting_until: "2026-11-22T21:59:00Z" },
      }),
    ).toEqual([]));
  it("sees a wait", () =>
    expect(kinds({ failures: { password: 3, code: 0, stopped: false, waiting_until: "2026-11-22T22:01:00Z" } })).toEqual([
      "waiting/unlock",
    ]));
  it("takes password and recovery codes for no second factor", () =>
    expect(
      kinds({
        authenticators: [
          { ...phone, factor: "password" },
          { ...phone, factor: "recovery" },
          { ...phone, factor: "pin" },
        ],
      }),
    ).toEqual(["unenrolled/invite"]));
  it("does not judge what it was not told", () => expect(kinds({ authenticators: undefined, failures: undefined })).toEqual([]));
});
