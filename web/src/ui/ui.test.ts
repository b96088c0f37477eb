import { describe, expect, it } from "vitest";
import { grouped, readSecret } from "~/pages/enrol/secret";
import { chapters, curl, type Description, example, shape } from "~/pages/openapi";
import { browserOf } from "~/pages/portal/agent";
import { done, next, type Standing } from "~/pages/setup/progress";
import { fromLocal, toLocal } from "./FilterBar";
import { readReference } from "./LookUp";
import { troubleOf } from "./passkey";
import { qrPath } from "./qr";
import { said } from "./Said";
import { date, duration, full, relative, short, utc } from "./time";

const now = new Date("2026-05-04T12:00:00Z");
const ago = (s: number) => new Date(now.getTime() - s * 1000);

describe("times", () => {
  const rows: [number, string, string][] = [
    [3, "en", "now"],
    [45, "en", "45 seconds ago"],
    [-120, "en", "in 2 minutes"],
    [3 * 3600 + 59 * 60, "en", "3 hours ago"],
    [26 * 3600, "en", "yesterday"],
    [90, "de", "vor 1 Minute"],
    [-2 * 24 * 3600 - 5, "de", "übermorgen"],
  ];
  it.each(rows)("%d s before now in %s is %s", (s, language, want) => {
    expect(relative(ago(s), now, language)).toBe(want);
  });
  it("more than a week away are a date", () => {
    expect(relative(ago(8 * 24 * 3600), now, "en")).toBeUndefined();
  });
  it("are in the reader's zone", () => {
    expect(full(now, "en-GB", "Europe/Berlin")).toContain("14:00:00");
    expect(full(now, "en-GB", "America/New_York")).toContain("08:00:00");
    expect(date(new Date("2026-05-04T23:30:00Z"), "en-GB", "Europe/Berlin")).toBe("5 May 2026");
  });
  it("of today need no date; today is the reader's", () => {
    expect(short(ago(3600), now, "en-GB", "UTC")).toBe("11:00:00");
    expect(short(ago(13 * 3600), now, "en-GB", "UTC")).toContain("3 May");
    expect(short(ago(13 * 3600), now, "en-GB", "Asia/Tokyo")).toContain("08:00");
    expect(short(ago(400 * 24 * 3600), now, "en-GB", "UTC")).toContain("2025");
  });
  it("are in UTC for comparing with logs", () => {
    expect(utc(now)).toBe("2026-05-04 12:00:00 UTC");
  });
  it("of filters survive the way to the field and back", () => {
    expect(fromLocal(toLocal(now.toISOString()))).toBe(now.toISOString());
    expect(toLocal("nonsense")).toBe("");
    expect(fromLocal("")).toBe("");
  });
});

describe("durations", () => {
  it.each([
    [41, "41 µs"],
    [2_420, "2.4 ms"],
    [61_400, "61 ms"],
    [11_263_000, "11.3 s"],
    [125_000_000, "2 min 5 s"],
  ])("%d µs is %s", (us, want) => {
    expect(duration(us, "en")).toBe(want);
  });
  it("are written as the language does", () => {
    expect(duration(2_420, "de")).toBe("2,4 ms");
  });
});

describe("a reference", () => {
  it.each([
    ["7F3K-92QD", "7F3K-92QD"],
    ["7f3k92qd", "7F3K-92QD"],
    [" 7F3K 92QD ", "7F3K-92QD"],
    ["OIL0-OIL1", "0110-0111"],
    ["alice", undefined],
    ["7F3K-92QU", undefined], // there is no U in Crockford's base 32
    ["7F3K-92QDX", undefined],
  ])("%j is read as %s", (text, want) => {
    expect(readReference(text)).toBe(want);
  });
});

describe("what the server says", () => {
  it.each([
    ["Sign-in failed. Reference HFF2-WS9Y.", "Sign-in failed."],
    ["Anmeldung fehlgeschlagen. Referenz HFF2-WS9Y.", "Anmeldung fehlgeschlagen."],
    ["Sign-in failed.", "Sign-in failed."],
    ["Reference", "Reference"],
  ])("%j is shown as %j", (text, want) => {
    expect(said(text)).toBe(want);
  });
});

describe("a QR code", () => {
  const { path, side } = qrPath("otpauth://totp/Example:alice?secret=JBSWY3DPEHPK3PXP");
  it("has a quiet zone of four modules", () => {
    const starts = [...path.matchAll(/M(\d+) (\d+)h(\d+)/g)].map((m) => m.slice(1).map(Number) as [number, number, number]);
    expect(Math.min(...starts.map(([x]) => x))).toBe(4);
    expect(Math.min(...starts.map(([, y]) => y))).toBe(4);
    expect(Math.max(...starts.map(([x, , w]) => x + w))).toBe(side - 4);
    expect((side - 8 - 17) % 4).toBe(0); // ISO/IEC 18004: 17 + 4 × version
  });
  it("begins with a finder pattern", () => {
    expect(path.startsWith("M4 4h7v1h-7z")).toBe(true);
  });
  it("of other text is another", () => {
    expect(qrPath("https://localhost/enrol#x").path).not.toBe(path);
  });
});

describe("a seed", () => {
  it("is read from its address and grouped for typing", () => {
    const s = readSecret("otpauth://totp/Example%20Ltd:alice?secret=JBSWY3DPEHPK3PXP&issuer=Example%20Ltd");
    expect(grouped(s)).toBe("JBSW Y3DP EHPK 3PXP");
    expect(readSecret(undefined)).toBe("");
    expect(grouped("")).toBe("");
  });
});

describe("a passkey that fails", () => {
  it.each([
    ["NotAllowedError", "cancelled"],
    ["InvalidStateError", "registered"],
    ["SecurityError", "host"],
    ["NotSupportedError", "unsupported"],
    ["UnknownError", "failed"],
  ])("with %s is %s", (name, want) => {
    const e = new Error("x");
    e.name = name;
    expect(troubleOf(e)).toBe(want);
  });
});

describe("set-up", () => {
  const none: Standing = { signedIn: false, owner: false, applications: 0, clients: 0, people: 0, logins: 0 };
  it("goes on where it was left", () => {
    expect(next(none)).toBe("owner");
    expect(next({ ...none, owner: true })).toBe("signin");
    const inside = { ...none, owner: true, signedIn: true, people: 1 };
    expect(next(inside)).toBe("application");
    expect(next({ ...inside, applications: 1 })).toBe("client");
    expect(next({ ...inside, applications: 1, clients: 1 })).toBe("person");
    expect(next({ ...inside, applications: 1, clients: 1, people: 2 })).toBe("test");
    expect(next({ ...inside, applications: 1, clients: 1, people: 2, logins: 4 })).toBe("test");
  });
  it("does not take the owner for the first person", () => {
    expect(done({ ...none, signedIn: true, people: 1 }).person).toBe(false);
  });
});

describe("a browser", () => {
  it.each([
    [
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36 Edg/141.0",
      "Edge · Windows",
    ],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · Linux"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1 Version/19.0 Safari/604.1", "Safari · iPhone"],
    ["curl/8", ""],
  ])("%j is %j", (agent, want) => {
    expect(browserOf(agent)).toBe(want);
  });
});

describe("the description of the API", () => {
  const d: Description = {
    info: { title: "T", version: "1" },
    paths: {
      "/v1/accounts/{name}": {
        get: {
          operationId: "account.show",
          tags: ["Accounts"],
          "x-permission": "account.read",
          "x-audience": "administrator",
          responses: { "200": { content: { "application/json": { schema: { $ref: "#/components/schemas/AccountView" } } } }, default: {} },
        },
        delete: { operationId: "account.remove", tags: ["Accounts"], "x-step-up": true, responses: { "204": {} } },
      },
      "/v1/sign-in": {
        post: {
          operationId: "sign-in.start",
          tags: ["Sessions"],
          "x-audience": "visitor",
          requestBody: {
            content: {
              "application/json": {
                schema: { type: "object", properties: { name: { type: "string", examples: ["o'hara"] }, passkey: { type: "boolean" } } },
              },
            },
          },
          responses: { "200": {} },
        },
      },
    },
    components: {
      schemas: {
        AccountView: {
          type: "object",
          properties: {
            name: { type: "string" },
            created: { type: "string", format: "date-time" },
            next: { $ref: "#/components/schemas/AccountView" },
            groups: { type: ["array", "null"], items: { type: "string" } },
          },
        },
      },
    },
  };
  it("is shown by chapters", () => {
    expect(chapters(d).map((c) => [c.tag, c.operations.map((o) => o.id)])).toEqual([
      ["Accounts", ["account.show", "account.remove"]],
      ["Sessions", ["sign-in.start"]],
    ]);
    expect(chapters(d, "delete name").flatMap((c) => c.operations.map((o) => o.id))).toEqual(["account.remove"]);
  });
  it("gives examples that end, though a schema names itself", () => {
    const e = example(d, { $ref: "#/components/schemas/AccountView" }) as { groups: string[]; created: string };
    expect(e.groups).toEqual(["string"]);
    expect(e.created).toBe("2026-05-04T09:30:00Z");
  });
  it("says shapes in a word", () => {
    expect(shape(d, { type: "array", items: { $ref: "#/components/schemas/AccountView" } })).toBe("[AccountView]");
    expect(shape(d, { type: "string", format: "date-time" })).toBe("string (date-time)");
    expect(shape(d, { type: "string", enum: ["a", "b"] })).toBe("a | b");
  });
  it("gives commands that a shell reads as they are meant", () => {
    const all = chapters(d).flatMap((c) => c.operations);
    const show = all.find((o) => o.id === "account.show");
    const start = all.find((o) => o.id === "sign-in.start");
    if (!show || !start) throw new Error("an operation is missing");
    expect(curl(d, show, "https://mfa.example.com")).toBe(
      "curl 'https://mfa.example.com/v1/accounts/<name>' \\\n  -H 'Authorization: Bearer spk_…'",
    );
    expect(curl(d, start, "https://mfa.example.com")).toContain(`-d '{"name":"o'\\''hara","passkey":true}'`);
    expect(curl(d, start, "https://mfa.example.com")).not.toContain("Authorization");
  });
});
