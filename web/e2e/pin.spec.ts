// A PIN beside the codes of an app: chosen, refused, tried out, used at the VPN
// and at the portal, seen by the help desk, changed and removed.
import { expect } from "@playwright/test";
import { App, c, loadStory, logIn, settled, t, test, type Visitor } from "./kit";
import { look } from "./look";

const helpDesk = "helen";
const pins = { first: "270418", second: "381529" };

/** Refused calls are part of this story. */
const unexpected = (faults: string[]) => faults.filter((f) => !/the server responded with a status of 4\d\d/.test(f));

test("a PIN beside the code", async ({ come }) => {
  test.setTimeout(10 * 60_000); // each code is good once, and there is one in 30 s
  const story = loadStory();
  const { name, password } = story.person;
  const app = new App(story.person.secret, story.person.spent);
  const next = () => app.code();
  const v = await come();
  const { page } = v;
  const main = page.getByRole("main");

  await test.step("signed in with a code, the person finds that there can be a PIN", async () => {
    await askedForCode(v, name, password, "Enter the code from your authenticator app or token.");
    await answer(v, await next());
    await expect(page).toHaveURL(/\/portal$/);
    await expect(main.getByText(t("portal.pin.none"))).toBeVisible();
    await main.getByRole("button", { name: t("portal.pin.set"), exact: true }).click();
    await expect(page).toHaveURL(/\/portal\/pin$/);
  });

  await test.step("a PIN that is easily guessed is refused, by the page and by the server", async () => {
    await settled(page);
    await expect(main.getByRole("listitem").filter({ hasText: t("portal.pin.rule.counts") })).toBeVisible();
    await choose(v, "123456");
    await expect(page.getByLabel(t("portal.pin.new"), { exact: true })).toBeFocused();
    await expect(main.getByText(t("portal.pin.fault.counts"))).toBeVisible();
    const refused = await v.call("POST", "/v1/me/enrolments", { kind: "pin", pin: "123456" });
    expect(refused.status).toBe(422);
    expect((refused.json as { detail: string }).detail).toContain("count up or down");
    await choose(v, pins.first, pins.second);
    await expect(main.getByText(t("portal.pin.differ"))).toBeVisible();
  });

  await test.step("another one counts once it has been typed after a code", async () => {
    await choose(v, pins.first);
    await expect(page.getByRole("heading", { name: t("portal.pin.test") })).toBeFocused();
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await look(page, { name: "portal-pin-test", scheme });
    }
    const code = await next();
    await tryOut(v, code);
    await expect(main.getByRole("alert")).toContainText(t("enrol.test.failed"));
    await expect(main.getByRole("alert")).toContainText("The new PIN does not come after the code");
    expect(((await v.call("GET", "/v1/me")).json as { pin: { set?: string } }).pin.set, "nothing is set yet").toBeUndefined();
    await tryOut(v, code + pins.first);
    await expect(page.getByRole("heading", { name: t("portal.pin.done") })).toBeFocused();
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await look(page, { name: "portal-pin-done", scheme });
    }
    await main.getByRole("button", { name: t("portal.add.back") }).click();
    await expect(main.getByText(t("portal.pin.since"))).toBeVisible();
    await page.mouse.move(0, 0); // away from times, which show more under it
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await look(page, { name: "portal-with-pin", scheme });
    }
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  let refused = "";
  await test.step("at the VPN the code alone opens nothing any more, and with the PIN it does", async () => {
    const code = await next();
    const alone = logIn(story.clientSecret, name, password, code);
    expect(alone.code, alone.all).toBe("Access-Reject");
    expect(alone.message, "no guesser learns why").toBe(`Sign-in failed. Reference ${alone.reference}.`);
    refused = alone.reference;
    const both = logIn(story.clientSecret, name, password, code + pins.first);
    expect(both.code, both.all).toBe("Access-Accept");
  });

  await test.step("the person sees both in the history", async () => {
    await page.goto("/portal/history");
    await settled(page);
    const row = (text: string) => main.getByRole("row").filter({ hasText: text });
    await expect(row(refused)).toContainText(t("ui.verdict.reject"));
    await expect(row(story.application).first()).toContainText(t("ui.verdict.accept"));
  });

  await test.step("the help desk reads what it was, and where the PIN could be removed", async () => {
    const desk = await come(helpDesk);
    await desk.signIn(helpDesk);
    await desk.page.goto(`/console/sign-ins/${refused}`);
    await settled(desk.page);
    expect((await desk.call("GET", `/v1/events/${refused}`)).json).toMatchObject({ outcome: "oath-code-pin-incorrect" });
    await desk.page.getByRole("link", { name: c("trace.remove_pin", { name }) }).click();
    await expect(desk.page).toHaveURL(new RegExp(`/console/accounts/${name}$`));
    await settled(desk.page);
    const held = desk.page.getByRole("row").filter({ hasText: c("factor.pin") });
    await expect(held.getByRole("button", { name: c("authenticator.resync") }), "nothing to resynchronize").toHaveCount(0);
    await held.getByRole("button", { name: c("authenticator.revoke") }).click();
    const dialogue = desk.page.getByRole("dialog", { name: c("authenticator.revoke_title", { label: c("factor.pin") }) });
    await expect(dialogue).toContainText(c("authenticator.revoke_pin"));
    await dialogue.getByRole("button", { name: c("act.cancel") }).click();
    await expect(dialogue).toBeHidden();
    expect(unexpected(desk.faults), "what the help desk's browser complained about").toEqual([]);
  });

  await test.step("the portal asks for it too", async () => {
    const prompt = "Enter the code from your authenticator app or token, and your PIN right after it.";
    await v.context.clearCookies();
    const code = await next();
    await askedForCode(v, name, password, prompt);
    await answer(v, code);
    await expect(page.getByText(t("signin.refused"))).toBeVisible();
    await page.getByRole("button", { name: t("signin.again") }).click();
    await askedForCode(v, name, password, prompt);
    await answer(v, `${code} ${pins.first}`);
    await expect(page).toHaveURL(/\/portal$/);
  });

  await test.step("it is changed, and not to the one before", async () => {
    await main.getByRole("button", { name: t("portal.pin.change"), exact: true }).click();
    await expect(page.getByRole("heading", { name: t("portal.pin.chooseNew") })).toBeVisible();
    await choose(v, pins.first);
    await expect(main.getByRole("alert")).toContainText("you have had it before");
    await choose(v, pins.second);
    await expect(page.getByRole("heading", { name: t("portal.pin.test") })).toBeVisible();
    await tryOut(v, (await next()) + pins.second);
    await expect(page.getByRole("heading", { name: t("portal.pin.done") })).toBeVisible();
    await main.getByRole("button", { name: t("portal.add.back") }).click();
  });

  await test.step("it is removed, and codes stand by themselves", async () => {
    await main.getByRole("button", { name: t("portal.pin.remove"), exact: true }).click();
    const dialogue = page.getByRole("dialog", { name: t("portal.pin.askTitle") });
    await expect(dialogue).toContainText(t("portal.pin.askCodes"));
    await dialogue.getByRole("button", { name: t("portal.pin.remove"), exact: true }).click();
    await expect(page.getByText(t("portal.pin.removed"))).toBeVisible();
    await expect(main.getByText(t("portal.pin.none"))).toBeVisible();
    const code = await next();
    const both = logIn(story.clientSecret, name, password, code + pins.second);
    expect(both.code, both.all).toBe("Access-Reject");
    const alone = logIn(story.clientSecret, name, password, code);
    expect(alone.code, alone.all).toBe("Access-Accept");
  });

  expect(unexpected(v.faults), "what the browser complained about").toEqual([]);
});

/** Types name and password at the portal, until a code is asked for in these words. */
async function askedForCode({ page }: Visitor, name: string, password: string, prompt: string): Promise<void> {
  await page.goto("/sign-in?client=portal");
  await page.getByLabel(t("signin.name"), { exact: true }).fill(name);
  await page.getByLabel(t("signin.password"), { exact: true }).fill(password);
  await page.getByRole("button", { name: t("signin.withPassword") }).click();
  await expect(page.getByText(prompt, { exact: true })).toBeVisible();
}

async function answer({ page }: Visitor, code: string): Promise<void> {
  await page.getByLabel(t("signin.code"), { exact: true }).fill(code);
  await page.getByRole("button", { name: t("signin.do"), exact: true }).click();
}

/** Types a new PIN twice. */
async function choose({ page }: Visitor, pin: string, again = pin): Promise<void> {
  await page.getByLabel(t("portal.pin.new"), { exact: true }).fill(pin);
  await page.getByLabel(t("portal.pin.again"), { exact: true }).fill(again);
  await page.getByRole("button", { name: t("ui.next"), exact: true }).click();
}

/** Answers the live test. */
async function tryOut({ page }: Visitor, typed: string): Promise<void> {
  await page.getByLabel(t("portal.pin.both"), { exact: true }).fill(typed);
  await page.getByRole("button", { name: t("enrol.test.do"), exact: true }).click();
}
