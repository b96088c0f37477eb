import { afterEach, describe, expect, it, vi } from "vitest";
import { ProblemError, problemOf, toProblem } from "./problem";
import { areaOf, landing, signInPath } from "./session";
import { callingFetch, setStepUp } from "./stepup";

const problem = (status: number, type: string, more: object = {}) =>
  new Response(JSON.stringify({ type: `/problems/${type}`, title: "T", detail: "d", status, ...more }), {
    status,
    headers: { "Content-Type": "application/problem+json" },
  });
const call = () => new Request("http://localhost/v1/me/password", { method: "PUT", body: '{"password":"x"}' });

afterEach(() => setStepUp(undefined));

describe("a problem", () => {
  it("is read with its hint and fields", async () => {
    const p = await problemOf(problem(422, "invalid", { hint: "h", errors: [{ location: "body.name", message: "m" }] }));
    expect(p).toEqual({
      type: "/problems/invalid",
      title: "T",
      status: 422,
      detail: "d",
      hint: "h",
      errors: [{ location: "body.name", message: "m" }],
    });
  });
  it("of something else than JSON is its status", async () => {
    const p = await problemOf(new Response("<html>", { status: 502, statusText: "Bad Gateway", headers: { "Content-Type": "text/html" } }));
    expect(p).toEqual({ type: "about:blank", title: "Bad Gateway", status: 502 });
  });
  it("of broken JSON is its status", async () => {
    const p = await problemOf(new Response("{", { status: 500, headers: { "Content-Type": "application/json" } }));
    expect(p.status).toBe(500);
  });
  it("believes no status but the response's", async () => {
    expect((await problemOf(problem(403, "forbidden", { status: 200 }))).status).toBe(403);
  });
  it("of a network that fails has no words of the server's", () => {
    expect(toProblem(new TypeError("Failed to fetch"))).toMatchObject({ type: "/problems/unreachable", status: 0 });
  });
});

describe("a call", () => {
  it("that succeeds asks nobody", async () => {
    const ask = vi.fn(async () => true);
    setStepUp(ask);
    const send = vi.fn<typeof fetch>(async () => new Response("{}"));
    expect((await callingFetch(call(), send)).ok).toBe(true);
    expect(ask).not.toHaveBeenCalled();
    expect(send).toHaveBeenCalledTimes(1);
  });

  it("that needs a step-up is repeated whole after it", async () => {
    setStepUp(async () => true);
    const bodies: string[] = [];
    const send = vi.fn<typeof fetch>(async (r) => {
      bodies.push(await (r as Request).text());
      return bodies.length === 1 ? problem(403, "step-up") : new Response("{}");
    });
    expect((await callingFetch(call(), send)).ok).toBe(true);
    expect(bodies).toEqual(['{"password":"x"}', '{"password":"x"}']);
  });

  it("is repeated once, not for ever", async () => {
    setStepUp(async () => true);
    const send = vi.fn<typeof fetch>(async () => problem(403, "step-up"));
    await expect(callingFetch(call(), send)).rejects.toThrow(ProblemError);
    expect(send).toHaveBeenCalledTimes(2);
  });

  it("is not repeated if people do not prove themselves", async () => {
    setStepUp(async () => false);
    const send = vi.fn<typeof fetch>(async () => problem(403, "step-up"));
    const error = await callingFetch(call(), send).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ProblemError);
    expect((error as ProblemError).is("step-up")).toBe(true);
    expect(send).toHaveBeenCalledTimes(1);
  });

  it("that is forbidden for another reason asks nobody", async () => {
    const ask = vi.fn(async () => true);
    setStepUp(ask);
    await expect(callingFetch(call(), async () => problem(403, "forbidden"))).rejects.toThrow("d");
    expect(ask).not.toHaveBeenCalled();
  });

  it("shares one question with others at the same time", async () => {
    let answer: (yes: boolean) => void = () => {};
    const ask = vi.fn(() => new Promise<boolean>((resolve) => (answer = resolve)));
    setStepUp(ask);
    const tries = new Map<string, number>();
    const send: typeof fetch = async (r) => {
      const url = (r as Request).url;
      tries.set(url, (tries.get(url) ?? 0) + 1);
      return tries.get(url) === 1 ? problem(403, "step-up") : new Response("{}");
    };
    const both = [callingFetch(new Request("http://localhost/v1/a"), send), callingFetch(new Request("http://localhost/v1/b"), send)];
    await vi.waitFor(() => expect(ask).toHaveBeenCalled());
    answer(true);
    await Promise.all(both);
    expect(ask).toHaveBeenCalledTimes(1);
    expect([...tries.values()]).toEqual([2, 2]);
  });
});

describe("the place to go after signing in", () => {
  const rows: [Parameters<typeof landing>[0], string | undefined, string][] = [
    ["portal", undefined, "/portal"],
    ["portal", "/portal/history", "/portal/history"],
    ["console", "/console/logins?outcome=138", "/console/logins?outcome=138"],
    ["console", "/set-up", "/set-up"],
    ["portal", "/set-up", "/portal"],
    ["portal", "/console", "/portal"],
    ["portal", "/portalx", "/portal"],
    ["portal", "https://evil.example/portal", "/portal"],
    ["portal", "//evil.example/portal", "/portal"],
    ["portal", "/portal//evil.example", "/portal"],
    ["portal", "/\\evil.example", "/portal"],
    ["portal", "javascript:alert(1)", "/portal"],
    ["portal", "/portal\n", "/portal"],
  ];
  it.each(rows)("%s, %j is %s", (area, to, want) => {
    expect(landing(area, to)).toBe(want);
  });
  it("is told to the sign-in page", () => {
    expect(signInPath({ pathname: "/console/rules", searchStr: "?a=b" })).toBe("/sign-in?client=console&to=%2Fconsole%2Frules%3Fa%3Db");
    expect(areaOf("/consoles")).toBe("portal");
    expect(areaOf("/set-up")).toBe("console");
  });
});
