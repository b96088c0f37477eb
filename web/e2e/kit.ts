// What the specs share: the server under test, texts, people with their
// passkeys and apps, a RADIUS client, and the watch over what browsers complain
// about.
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  test as base,
  type CDPSession,
  expect,
  type Locator,
  type Page,
} from "@playwright/test";

function given(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run go test ./e2e -run TestBrowser`);
  return value;
}

/** The server under test and its peers. */
export const server = {
  /** The address that browsers type. */
  url: () => given("SALLYPORT_URL"),
  /** The link of the first run, with its secret. */
  setUp: () => given("SALLYPORT_SET_UP"),
  /** HOST:PORT of RADIUS. */
  radius: () => given("SALLYPORT_RADIUS"),
  /** From which RADIUS requests are sent. */
  nas: () => given("SALLYPORT_NAS"),
  radclient: () => given("SALLYPORT_RADCLIENT"),
  /** Where the story keeps what later specs need. */
  dir: () => given("SALLYPORT_STORY"),
};

// Texts -------------------------------------------------------------------------

interface Texts {
  [key: string]: string | Texts;
}

function read(path: string): Texts {
  return JSON.parse(readFileSync(join(process.cwd(), "src", path), "utf8")) as Texts;
}

export const texts = {
  base: { en: () => read("i18n/en.json"), de: () => read("i18n/de.json") },
  console: { en: () => read("console/i18n/en.json"), de: () => read("console/i18n/de.json") },
};

/** All texts by their keys, in order. */
export function flat(texts: Texts, under = ""): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(texts)) {
    if (typeof value === "string") all.set(under + key, value);
    else for (const [k, v] of flat(value, `${under}${key}.`)) all.set(k, v);
  }
  return all;
}

const english = { base: flat(texts.base.en()), console: flat(texts.console.en()) };

function text(area: keyof typeof english, key: string, values: Record<string, string | number>): string {
  const count = values.count;
  const plural = count === undefined ? undefined : `${key}_${new Intl.PluralRules("en").select(Number(count))}`;
  const found = (plural && english[area].get(plural)) ?? english[area].get(key);
  if (found === undefined) throw new Error(`there is no text ${key}`);
  return found.replace(/\{\{\s*(\w+)[^}]*\}\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** A text of the pages, as people read it in English. */
export const t = (key: string, values: Record<string, string | number> = {}): string => text("base", key, values);

/** A text of the console. */
export const c = (key: string, values: Record<string, string | number> = {}): string => text("console", key, values);

// People ------------------------------------------------------------------------

/** A passkey as Chromium's virtual authenticator keeps it. */
interface Credential {
  credentialId: string;
  isResidentCredential: boolean;
  rpId?: string;
  privateKey: string;
  userHandle?: string;
  signCount: number;
}

/** What the story leaves for the specs after it. */
export interface Story {
  passkeys: Record<string, Credential[]>;
  /** Person who signs in to the VPN. */
  person: { name: string; password: string; secret: string; spent: number };
  application: string;
  client: string;
  clientSecret: string;
  rule: string;
  /** Reference of a login that was refused. */
  reference: string;
}

const file = () => join(server.dir(), "story.json");

export function loadStory(): Story {
  if (!existsSync(file())) throw new Error("the story has not been told: story.spec.ts comes first");
  return JSON.parse(readFileSync(file(), "utf8")) as Story;
}

export function saveStory(s: Story): void {
  writeFileSync(file(), JSON.stringify(s), { mode: 0o600 });
}

/**
 * Somebody's passkeys as they were when last used. Each person's are a file, for
 * specs may run beside each other.
 */
function passkeysOf(who: string): Credential[] {
  const kept = passkeyFile(who);
  return existsSync(kept) ? (JSON.parse(readFileSync(kept, "utf8")) as Credential[]) : (loadStory().passkeys[who] ?? []);
}

const passkeyFile = (who: string) => join(server.dir(), `passkeys-${who}.json`);

/** A browser of somebody, with an authenticator that holds their passkeys. */
export class Visitor {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the browser complained about. */
  readonly faults: string[] = [];
  private cdp!: CDPSession;
  private authenticator = "";

  private constructor(context: BrowserContext, page: Page) {
    this.context = context;
    this.page = page;
  }

  static async come(browser: Browser, options: BrowserContextOptions = {}, passkeys: Credential[] = []): Promise<Visitor> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    const v = new Visitor(context, page);
    watch(page, v.faults);
    v.cdp = await context.newCDPSession(page);
    await v.cdp.send("WebAuthn.enable");
    const added = await v.cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    v.authenticator = added.authenticatorId;
    for (const credential of passkeys) {
      await v.cdp.send("WebAuthn.addCredential", { authenticatorId: v.authenticator, credential });
    }
    return v;
  }

  /** The passkeys that the authenticator holds now, sign counts and all. */
  async passkeys(): Promise<Credential[]> {
    const { credentials } = await this.cdp.send("WebAuthn.getCredentials", { authenticatorId: this.authenticator });
    return credentials as Credential[];
  }

  /** Whether the authenticator will say that it has verified its person. */
  async verifies(yes: boolean): Promise<void> {
    await this.cdp.send("WebAuthn.setUserVerified", { authenticatorId: this.authenticator, isUserVerified: yes });
  }

  async leave(): Promise<void> {
    await this.context.close();
  }

  /** Signs in to the console with the passkey and waits for the dashboard. */
  async signIn(name: string): Promise<void> {
    await this.byPasskey("console", name);
  }

  /** Signs in to the portal with the passkey. */
  async signInToPortal(name: string): Promise<void> {
    await this.byPasskey("portal", name);
  }

  /** In any language: the form has one field for the name, and the passkey's button comes first. */
  private async byPasskey(client: "console" | "portal", name: string): Promise<void> {
    const { page } = this;
    await page.goto(`/sign-in?client=${client}`);
    await page.locator("input[autocomplete=username]").fill(name);
    await page.locator("main form button:has(svg)").first().click();
    await expect(page).toHaveURL(new RegExp(`/${client}(/|$)`));
    await expect(page.locator(".sp-header")).toBeVisible(); // the frame of signed-in pages, and no longer the form
    await settled(page);
  }

  /**
   * Does what may need a fresh proof: when the dialogue that asks for it comes
   * up, the passkey answers.
   */
  async proving(done: Locator): Promise<void> {
    const dialogue = this.page.getByRole("dialog", { name: t("ui.stepUp.title") });
    await expect(done.or(dialogue).first()).toBeVisible();
    if (await dialogue.isVisible()) {
      await dialogue.getByRole("button", { name: t("ui.stepUp.passkey") }).click();
      await expect(dialogue).toBeHidden();
    }
    await expect(done.first()).toBeVisible();
  }

  /** An API call with this browser's cookies. */
  async call(method: string, path: string, body?: unknown): Promise<{ status: number; problem: string; json: unknown }> {
    return this.page.evaluate(
      async ([method, path, body]) => {
        const answer = await fetch(path as string, {
          method: method as string,
          ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
        });
        const text = await answer.text();
        const json: unknown = text && /json/.test(answer.headers.get("content-type") ?? "") ? JSON.parse(text) : undefined;
        return { status: answer.status, problem: (json as { type?: string } | undefined)?.type ?? "", json };
      },
      [method, path, body],
    );
  }
}

/** Opens a browser for somebody of the story. */
type Come = (who?: string, options?: BrowserContextOptions) => Promise<Visitor>;

/**
 * A test whose visitors bring the passkeys that the story left them. However it
 * ends, the passkeys are kept as they are then: their sign counts have moved, and
 * the server takes no older ones.
 */
export const test = base.extend<{ come: Come }>({
  come: async ({ browser }, use) => {
    const here: { v: Visitor; who: string }[] = [];
    await use(async (who = "", options = {}) => {
      const v = await Visitor.come(browser, options, who === "" ? [] : passkeysOf(who));
      here.push({ v, who });
      return v;
    });
    for (const { v, who } of here) {
      if (who !== "") {
        writeFileSync(passkeyFile(who), JSON.stringify(await v.passkeys()), { mode: 0o600 });
      }
      await v.leave();
    }
  },
});

/** Collects what browsers complain about: errors, refused styles and scripts, requests that failed. */
export function watch(page: Page, faults: string[]): void {
  const note = (what: string) => faults.push(`${new URL(page.url() || "about:blank").pathname}: ${what}`);
  page.on("console", (m) => {
    if (m.type() === "error" || m.type() === "warning") note(`${m.type()}: ${m.text()} (${m.location().url})`);
  });
  page.on("pageerror", (e) => note(`exception: ${e.message}`));
  page.on("requestfailed", (r) => {
    const why = r.failure()?.errorText ?? "";
    // What a page asked for and did not wait for when people went on.
    if (!/ERR_ABORTED/.test(why)) note(`request failed: ${r.url()} ${why}`);
  });
}

/** An authenticator app (RFC 6238 with SHA-1, six digits, 30 s). */
export class App {
  readonly key: Buffer;
  spent: number;
  constructor(secret: string, spent = -1) {
    this.key = base32(secret);
    this.spent = spent;
  }

  at(step: number): string {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const mac = createHmac("sha1", this.key).update(counter).digest();
    const offset = (mac[mac.length - 1] ?? 0) & 15;
    return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
  }

  /** A code that was not used before. It may be of the next step, which counts already. */
  async code(): Promise<string> {
    for (;;) {
      const now = Math.floor(Date.now() / 30_000);
      const step = Math.max(now, this.spent + 1);
      if (step <= now + 1) {
        this.spent = step;
        return this.at(step);
      }
      await new Promise((r) => setTimeout(r, 30_000 - (Date.now() % 30_000)));
    }
  }

  /** Six digits that are no code of these minutes. */
  wrong(): string {
    const now = Math.floor(Date.now() / 30_000);
    const near = new Set(Array.from({ length: 60 }, (_, i) => this.at(now - 30 + i)));
    for (let n = 0; ; n++) {
      const guess = String(n * 7919 + 13)
        .padStart(6, "0")
        .slice(-6);
      if (!near.has(guess)) return guess;
    }
  }
}

function base32(text: string): Buffer {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let bits = "";
  for (const ch of text.toUpperCase().replace(/[\s=-]/g, "")) {
    const n = alphabet.indexOf(ch);
    if (n < 0) throw new Error("the secret is not base 32");
    bits += n.toString(2).padStart(5, "0");
  }
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((b) => Number.parseInt(b, 2)));
}

// RADIUS ------------------------------------------------------------------------

export interface Reply {
  code: string;
  message: string;
  state: string;
  /** The reference in the message, "" if there is none. */
  reference: string;
  all: string;
}

/** Sends one Access-Request with FreeRADIUS's radclient. */
export function radius(secret: string, attributes: string[]): Reply {
  const path = join(server.dir(), "secret");
  writeFileSync(path, `${secret}\n`, { mode: 0o600 });
  let out: string;
  try {
    out = execFileSync(server.radclient(), ["-x", "-r", "3", "-t", "6", "-S", path, server.radius(), "auth"], {
      input: `${[...attributes, "Message-Authenticator = 0x00", `Packet-Src-IP-Address = ${server.nas()}`].join("\n")}\n`,
      encoding: "utf8",
      stdio: ["pipe", "pipe", "pipe"],
    });
  } catch (e) {
    out = String((e as { stdout?: string }).stdout ?? ""); // it says so with its exit code when the answer is no
  }
  const all = out.slice(out.indexOf("Received ") + "Received ".length);
  if (!out.includes("Received ")) throw new Error(`radclient got no reply:\n${out}`);
  return {
    all,
    code: all.split(" ")[0] ?? "",
    message: /Reply-Message = "(.*)"/.exec(all)?.[1] ?? "",
    state: /State = (0x[0-9a-f]+)/.exec(all)?.[1] ?? "",
    reference: /[Rr]eference ([0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4})/.exec(all)?.[1] ?? "",
  };
}

/** Logs in as a VPN does: the password, then the code that is asked for. */
export function logIn(secret: string, name: string, password: string, code: string): Reply {
  const quoted = (attribute: string, value: string) => `${attribute} = ${JSON.stringify(value)}`;
  const asked = radius(secret, [quoted("User-Name", name), quoted("User-Password", password)]);
  if (asked.code !== "Access-Challenge") return asked;
  return radius(secret, [quoted("User-Name", name), quoted("User-Password", code), `State = ${asked.state}`]);
}

// Pages -------------------------------------------------------------------------

/** Waits until a page shows what it has: its heading, and nothing that is still on its way. */
export async function settled(page: Page): Promise<void> {
  await expect(page.getByRole("heading", { level: 1 }).first()).toBeVisible();
  await expect(page.locator(".mantine-Loader-root, [aria-busy='true']")).toHaveCount(0);
  await page.evaluate(async () => {
    await document.fonts.ready;
    await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
  });
}
