// Serves dist/ and a made-up API for looking at pages while the real server is
// not at hand. Nothing here is secure, and nothing of it is in the product.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const dist = process.env.DIST ?? new URL("../dist/", import.meta.url).pathname;
const port = Number(process.env.PORT ?? 9481);
const kinds = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html", ".json": "application/json" };
const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36";

const permissions = [
  "account.read",
  "account.write",
  "account.invite",
  "event.read",
  "settings.read",
  "settings.write",
  "login.test",
  "system.read",
];
function pinEnd(how) {
  return { set: { expires: ago(-60 * 24 * 40) }, ending: { expires: ago(-60 * 24 * 9) }, expired: { expires: ago(60 * 24 * 2) } }[how];
}
const world = {
  needsSetUp: process.env.SETUP === "1",
  signedIn: { portal: process.env.SIGNED_IN !== "0", console: process.env.CONSOLE === "1" },
  enrolling: process.env.ENROLLING === "1",
  applications: [],
  clients: [],
  people: 1,
  // PIN=set has one, PIN=ending and PIN=expired one that must be changed, PIN=never one that need not be.
  pin: process.env.PIN ? { digits: "270418", set: ago(60 * 24 * 80), ...pinEnd(process.env.PIN) } : undefined,
  authenticators: [
    { id: "a1", account: "alice", factor: "oath", label: "Phone", used: true, used_at: ago(42), default: true, created: ago(60 * 24 * 96) },
    { id: "a2", account: "alice", factor: "webauthn", label: "Laptop", used: true, used_at: ago(60 * 26), created: ago(60 * 24 * 31) },
    { id: "a3", account: "alice", factor: "oath", label: "", serial: "GALT00318842", used: false, created: ago(60 * 24 * 3) },
  ],
};
const codes = [
  "7KQ2-M9XD",
  "V3HT-08RB",
  "C6PN-YA4W",
  "9ZJE-2F5S",
  "XW17-GK8Q",
  "4DBM-T6RN",
  "H0VC-91PY",
  "S8FA-J3KE",
  "2QXZ-7WGD",
  "NM5R-B4TH",
];
const trace = [
  { stage: "reach", ok: true, took_ns: 41_000, note: "Access-Request 117 from 192.0.2.10:49152, Message-Authenticator verified" },
  { stage: "client", ok: true, took_ns: 9_000, note: "client vpn-gateway, application office-vpn" },
  { stage: "account", ok: true, took_ns: 212_000, note: "EXAMPLE\\alice is account alice" },
  { stage: "primary", ok: true, took_ns: 61_400_000, note: "local password matched (argon2id)" },
  { stage: "policy", ok: true, took_ns: 14_000, note: "rule vpn-staff asks for both factors" },
  { stage: "factor", ok: true, took_ns: 38_000, note: "authenticator app, the account's default" },
  {
    stage: "answer",
    ok: false,
    took_ns: 11_200_000_000,
    note: "the code matched no time step within one step of now; second failure in a row",
  },
  { stage: "verdict", ok: true, took_ns: 2_300_000, note: "committed before the answer" },
  { stage: "reply", ok: true, took_ns: 90_000, note: "Access-Reject with Reply-Message" },
];
const event = (n, verdict, message, extra = {}) => ({
  time: ago(n * 97 + 3),
  application: "office-vpn",
  client: "vpn-gateway",
  from: "198.51.100.23",
  source: "192.0.2.10",
  verdict,
  message,
  reference: ["7F3K-92QD", "M4T8-0XWZ", "B9QV-E27H", "1RNC-KD5A", "W6YP-83JS", "G0ZE-T4MB"][n % 6].replace(/.$/, "0123456789ABCDEFGH"[n]),
  factor: verdict === "accept" ? "oath" : undefined,
  ...extra,
});
const session = (client) => ({
  account: "01J8",
  name: "alice",
  client,
  factor: world.enrolling ? "invitation" : "webauthn",
  role: client === "console" ? "owner" : undefined,
  permissions: client === "console" ? permissions : [],
  enrolling: world.enrolling && client === "portal",
  proven: ago(2),
  created: ago(31),
  expires: ago(-700),
  idle_seconds: 900,
});
const why = {
  ...event(1, "reject", ""),
  account: "alice",
  door: "radius",
  code: 138,
  outcome: "oath-code-incorrect",
  label: "OATH Code Incorrect",
  count: 1,
  took_us: 11_263_000,
  seq: 41,
  stage: "answer",
  person: "Sign-in failed.",
  help_desk: "The password was right; the code was not. Ask which app or token the caller reads the code from.",
  administrator: "the code did not match",
  remedy: "Person: set the phone's clock to automatic and try the next code.",
  mfa_at_fault: false,
  trace,
};
class Refused extends Error {
  constructor(status, type, detail, hint) {
    super(detail);
    this.problem = { type: `/problems/${type}`, title: detail, status, detail, hint };
  }
}
const options = {
  challenge: "c2FsbHlwb3J0LW1vY2stY2hhbGxlbmdl",
  rp: { id: "localhost", name: "Example Ltd" },
  user: { id: "MDFKOA", name: "alice", displayName: "alice" },
  pubKeyCredParams: [{ type: "public-key", alg: -7 }],
  timeout: 60000,
};
let proven = false;
let chosen; // a PIN that waits for its test
const refusedPIN = (pin) => {
  const d = [...pin].map(Number);
  const run = (step) => d.some((x, i) => i + 2 < d.length && d[i + 1] - x === step && d[i + 2] - d[i + 1] === step);
  if (pin.length < 6) return "it has fewer than 6 digits";
  if (run(0)) return "it has the same digit three times in a row";
  if (run(1) || run(-1)) return "three of its digits count up or down, as in 345";
  return pin === world.pin?.digits ? "you have had it before; the last 5 cannot be taken again" : undefined;
};
const codeNow = () => `123456${world.pin?.digits ?? ""}`;
const codePrompt = () =>
  world.pin
    ? "Enter the code from your authenticator app or token, and your PIN right after it."
    : "Enter the code from your authenticator app or token.";
const made = (kind) => {
  const a = {
    id: `a${Date.now()}`,
    account: "alice",
    factor: kind === "passkey" ? "webauthn" : "oath",
    label: "",
    used: true,
    created: ago(0),
  };
  world.authenticators.push(a);
  return { authenticator: a, recovery_codes: world.enrolling ? codes : undefined };
};

const routes = {
  "GET /v1/config": () => ({
    issuer: "Example Ltd",
    version: "0.9.0",
    needs_set_up: world.needsSetUp,
    url: `http://localhost:${port}`,
    languages: ["en", "de"],
  }),
  "GET /v1/session": (_, q) => {
    if (!world.signedIn[q.get("client")]) throw new Refused(401, "not-signed-in", "nobody is signed in here");
    return session(q.get("client"));
  },
  "DELETE /v1/session": (_, q) => {
    world.signedIn[q.get("client")] = false;
  },
  "POST /v1/sign-in": (b) => {
    if (b.passkey)
      return {
        verdict: "challenge",
        message: "Use your passkey or security key.",
        ask: "passkey",
        state: "s1",
        options: { ...options, rpId: "localhost" },
      };
    if (b.password === "wrong") return { verdict: "reject", message: "Sign-in failed.", reference: "7F3K-92QD" };
    if (b.password === "many")
      return {
        verdict: "reject",
        message: "Too many attempts. Wait a while and try again, or call the help desk.",
        reference: "B9QV-E27H",
      };
    return { verdict: "challenge", message: codePrompt(), ask: "code", state: "s1" };
  },
  "POST /v1/sign-in/continue": (b) => {
    if (b.code && b.code !== codeNow()) return { verdict: "reject", message: "Sign-in failed.", reference: "7F3K-92QD" };
    world.signedIn[b.client] = true;
    return { verdict: "accept", message: "Signed in.", reference: "M4T8-0XWZ", session: session(b.client), redirect: `/${b.client}` };
  },
  "POST /v1/session/step-up": () => ({
    verdict: "challenge",
    message: codePrompt(),
    ask: "code",
    state: "s2",
  }),
  "POST /v1/session/step-up/continue": () => {
    proven = true;
    return { verdict: "accept", message: "Signed in.", session: session("portal") };
  },
  "POST /v1/invitations/redeem": (b) => {
    if (b.code === "WRONG") throw new Refused(422, "invalid", "this invitation cannot be used", "ask the help desk for a new one");
    world.enrolling = true;
    world.signedIn.portal = true;
    return { session: session("portal") };
  },
  "GET /v1/me": () => ({
    name: "alice",
    has_password: !process.env.NO_PASSWORD,
    authenticators: world.enrolling ? [] : world.authenticators,
    recovery_codes_left: 8,
    has_recovery_codes: true,
    pin:
      process.env.NO_PIN || world.enrolling
        ? undefined
        : { set: world.pin?.set, expires: world.pin?.expires, min_digits: 6, max_digits: 16, remembered: 5 },
    may_bypass: true,
    bypass_seconds: 300,
    enrolling: world.enrolling,
    enrollable: ["oath", "passkey", "token"],
  }),
  "DELETE /v1/me/pin": () => {
    if (!proven) throw new Refused(403, "step-up", "prove yourself anew");
    world.pin = undefined;
  },
  "POST /v1/me/enrolments": (b) => {
    if (b.kind === "pin") {
      const why = refusedPIN(b.pin);
      if (why) throw new Refused(422, "invalid", `this PIN is not taken: ${why}`, "choose another one");
      chosen = b.pin;
      return { ceremony: "c1", expires: ago(-5) };
    }
    chosen = undefined;
    return b.kind === "passkey"
      ? { ceremony: "c1", options, expires: ago(-5) }
      : {
          ceremony: "c1",
          uri:
            b.kind === "oath"
              ? "otpauth://totp/Example%20Ltd:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example%20Ltd&algorithm=SHA1&digits=6&period=30"
              : undefined,
          secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
          expires: ago(-5),
        };
  },
  "POST /v1/me/enrolments/confirm": (b) => {
    if (chosen) {
      if (b.code !== `123456${chosen}`)
        throw new Refused(
          422,
          "invalid",
          "the new PIN does not come after the code, or is not what you chose before",
          "type the code that the app or token shows and right after it the new PIN",
        );
      world.pin = { digits: chosen, set: ago(0), expires: ago(-60 * 24 * 120) };
      chosen = undefined;
      return { authenticator: { id: "p1", account: "alice", factor: "pin", label: "", used: false, created: ago(0) } };
    }
    if (b.code && b.code !== "123456")
      throw new Refused(
        422,
        "invalid",
        "the code did not match",
        "wait for the next code, and see that the phone's clock is set automatically",
      );
    return made(b.code ? "oath" : "passkey");
  },
  "POST /v1/me/recovery-codes": () => {
    if (!proven) throw new Refused(403, "step-up", "prove yourself anew");
    return { recovery_codes: codes };
  },
  "PUT /v1/me/password": () => undefined,
  "GET /v1/me/events": () => ({
    items: [
      event(0, "accept", "Signed in."),
      event(1, "reject", "Sign-in failed."),
      event(2, "accept", "Signed in.", { client: "portal", application: "portal", factor: "webauthn" }),
      event(3, "challenge", "Enter the code from your authenticator app or token."),
      event(14, "reject", "Too many attempts. Wait a while and try again, or call the help desk.", { from: "203.0.113.77" }),
      event(15, "accept", "Signed in."),
    ],
    next: "n1",
  }),
  "POST /v1/me/not-me": () => {
    world.signedIn.portal = false;
  },
  "GET /v1/me/sessions": () => ({
    items: [
      {
        id: "s1",
        account: "alice",
        client: "portal",
        factor: "webauthn",
        created: ago(31),
        proven: ago(31),
        seen: ago(0),
        expires: ago(-900),
        source: "198.51.100.23",
        agent,
        current: true,
      },
      {
        id: "s2",
        account: "alice",
        client: "portal",
        factor: "oath",
        created: ago(900),
        proven: ago(900),
        seen: ago(45),
        expires: ago(-300),
        source: "203.0.113.5",
        agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1",
      },
    ],
  }),
  "POST /v1/set-up/check": (b) => {
    if (b.token === "spent") throw new Refused(422, "invalid", "this link cannot be used");
    return { expires: ago(-60) };
  },
  "POST /v1/set-up/passkey": () => ({ ceremony: "c1", options, expires: ago(-5) }),
  "POST /v1/set-up/owner": () => {
    world.needsSetUp = false;
    return { account: { name: "alice" }, recovery_codes: codes };
  },
  "GET /v1/applications": () => ({ items: world.applications }),
  "POST /v1/applications": (b) => {
    const a = { name: b.name, created: ago(0) };
    world.applications.push(a);
    return a;
  },
  "GET /v1/clients": () => ({ items: world.clients }),
  "POST /v1/clients": (b) => {
    if (!/^[0-9a-f.:/]+$/.test(b.source))
      throw new Refused(422, "invalid", `"${b.source}" is no network`, "write 192.0.2.10 or 192.0.2.0/24 or 2001:db8::/64");
    const c = { ...b, door: "radius", source: `${b.source}/32`, warnings: [], attributes: [], secrets: 1, created: ago(0) };
    world.clients.push(c);
    return { ...c, secret: "K7XQ4MZP2WVN6RTD3YBH5CJF8GSA" };
  },
  "GET /v1/accounts": () => ({ items: [{ name: "alice" }, { name: "bob" }].slice(0, world.people) }),
  "POST /v1/accounts": (b) => {
    world.people = 2;
    return { name: b.name };
  },
  "GET /v1/events": () => ({ items: [] }),
  "POST /v1/test-logins": (b) =>
    b.state
      ? { verdict: "reject", message: "Sign-in failed.", reference: "7F3K-92QD", why }
      : { verdict: "challenge", message: "Enter the code from your authenticator app or token.", state: "s3" },
};

createServer(async (req, res) => {
  const url = new URL(req.url, `http://localhost:${port}`);
  let body = "";
  for await (const chunk of req) body += chunk;
  const send = (status, value, type = "application/json") => {
    res.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" });
    res.end(value === undefined ? "" : JSON.stringify(value));
  };
  if (url.pathname === "/v1/events/stream") {
    res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    setTimeout(() => res.write(`event: logins\ndata: ${JSON.stringify([why])}\n\n`), Number(process.env.WAIT ?? 2500));
    return;
  }
  if (url.pathname === "/v1/openapi.json" && process.env.OPENAPI) {
    res.writeHead(200, { "Content-Type": "application/openapi+json" });
    res.end(readFileSync(process.env.OPENAPI));
    return;
  }
  if (url.pathname.startsWith("/v1/")) {
    let handler = routes[`${req.method} ${url.pathname}`];
    if (/^\/v1\/accounts\/[^/]+\/invitations$/.test(url.pathname)) {
      handler = (b) =>
        b.kind === "code"
          ? { kind: "code", code: "9KTX-4M2P", expires: ago(-10) }
          : { kind: "link", secret: "pVt2xkQ0c1n7yJ4rWb8sAg", expires: ago(-1440) };
    }
    if (/^\/v1\/events\/[^/]+$/.test(url.pathname)) handler = () => why;
    if (/^\/v1\/me\/(authenticators|sessions)\/[^/]+$/.test(url.pathname)) handler = () => undefined;
    if (!handler)
      return send(
        404,
        { type: "/problems/no-route", title: "Nothing here", status: 404, detail: `there is nothing at ${url.pathname}` },
        "application/problem+json",
      );
    try {
      const value = handler(body ? JSON.parse(body) : {}, url.searchParams);
      return send(value === undefined ? 204 : 200, value);
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      return send(e.problem.status, e.problem, "application/problem+json");
    }
  }
  if (url.pathname.startsWith("/assets/")) {
    try {
      const file = readFileSync(join(dist, url.pathname));
      res.writeHead(200, { "Content-Type": kinds[extname(url.pathname)] ?? "application/octet-stream" });
      return res.end(file);
    } catch {
      return send(404);
    }
  }
  const nonce = Math.random().toString(36).slice(2);
  res.writeHead(200, {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
  });
  res.end(readFileSync(join(dist, "index.html"), "utf8").replaceAll("__NONCE__", nonce));
}).listen(port, "127.0.0.1", () => console.log(`http://localhost:${port}`));
