// The story that every installation lives through: set up, invite, enrol, log
// in, go wrong, get help, be looked at.
import { type Browser, expect, type Locator } from "@playwright/test";
import { App, c, loadStory, logIn, type Story, saveStory, server, settled, t, test, Visitor } from "./kit";
import { sticksOut } from "./look";

test.describe.configure({ mode: "serial" });

const password = "a lantern over the harbour wall";
const names = { owner: "owner", person: "alice", helpDesk: "helen", auditor: "anton", application: "office-vpn", client: "vpn-gateway" };

/** Refused calls are part of some of these stories; everything else that a browser complains about is not. */
const unexpected = (faults: string[]) => faults.filter((f) => !/the server responded with a status of 4\d\d/.test(f));

test("the first run: from the printed link to a login that works", async ({ browser }) => {
  test.setTimeout(4 * 60_000);
  const story: Story = {
    passkeys: {},
    person: { name: names.person, password, secret: "", spent: -1 },
    application: names.application,
    client: names.client,
    clientSecret: "",
    rule: "",
    reference: "",
  };
  const v = await Visitor.come(browser);
  const { page } = v;
  let invitation = "";

  await test.step("an owner with password, passkey and recovery codes", async () => {
    await page.goto(server.setUp());
    await page.getByLabel(t("setup.owner.name"), { exact: true }).fill(names.owner);
    await page.getByLabel(t("enrol.password.new"), { exact: true }).fill(password);
    await page.getByLabel(t("enrol.password.again"), { exact: true }).fill(password);
    await expect(page, "the secret of the link does not stay in the address").toHaveURL(/\/set-up$/);
    await page.getByRole("button", { name: t("setup.owner.do") }).click();
    await keepCodes(v);
    await page.getByRole("button", { name: t("signin.withPasskey") }).click();
  });

  await test.step("the first application and its client", async () => {
    await page.getByLabel(t("setup.application.name"), { exact: true }).fill(names.application);
    await page.getByRole("button", { name: t("setup.application.do") }).click();
    await page.getByLabel(t("setup.client.name"), { exact: true }).fill(names.client);
    await page.getByLabel(t("setup.client.source"), { exact: true }).fill(server.nas());
    await page.getByRole("button", { name: t("setup.client.do") }).click();
    story.clientSecret = ((await page.locator(".sp-secret code").textContent()) ?? "").trim();
    expect(story.clientSecret.length, "length of the shared secret").toBeGreaterThanOrEqual(22);
    await page.getByRole("button", { name: t("setup.client.entered") }).click();
  });

  await test.step("the first person is invited", async () => {
    await page.getByLabel(t("setup.person.name"), { exact: true }).fill(names.person);
    await page.getByRole("button", { name: t("setup.person.do") }).click();
    const link = page.locator(".sp-secret code");
    await v.proving(link);
    invitation = ((await link.textContent()) ?? "").trim();
    expect(invitation).toMatch(/\/enrol#\S{20,}$/);
    await page.getByRole("button", { name: t("ui.next"), exact: true }).click();
    await expect(page.getByText(t("setup.test.waiting", { client: names.client }))).toBeVisible();
  });

  await test.step("the person enrols on a phone", async () => {
    story.person.secret = await enrolOnPhone(browser, invitation, story);
  });

  await test.step("the person logs in at the VPN, and the wizard sees it", async () => {
    const app = new App(story.person.secret, story.person.spent);
    const reply = logIn(story.clientSecret, names.person, password, await app.code());
    story.person.spent = app.spent;
    expect(reply.code, reply.all).toBe("Access-Accept");
    await expect(page.getByRole("button", { name: t("setup.test.finish") })).toBeVisible();
    await page.getByRole("button", { name: t("setup.test.finish") }).click();
    await expect(page).toHaveURL(/\/console$/);
    await settled(page);
  });

  await test.step("the invitation is spent", async () => {
    const late = await Visitor.come(browser, phone);
    await late.page.goto(invitation);
    await late.page.getByRole("button", { name: t("enrol.redeem.do") }).click();
    await expect(late.page.getByText(t("enrol.redeem.failed"))).toBeVisible();
    await late.leave();
  });

  await test.step("a rule for the application", async () => {
    story.rule = await addRule(v);
  });

  await test.step("a help desk and an auditor are invited and given their roles", async () => {
    let link = "";
    for (const [name, role] of [
      [names.helpDesk, "help-desk"],
      [names.auditor, "auditor"],
    ] as const) {
      // The role comes first: an invitation is for the role that its account has when it is made.
      if (name === names.helpDesk) {
        link = await addWithRole(v, name, role);
      } else {
        await addPerson(v, name);
        await giveRole(v, name, role);
        link = await invite(v, name);
      }
      const colleague = await Visitor.come(browser);
      await enrolWithPasskey(colleague, link, name);
      story.passkeys[name] = await colleague.passkeys();
      await colleague.leave();
    }
  });

  await test.step("the owner adds an app beside the passkey, at the portal", async () => {
    await v.signInToPortal(names.owner);
    await page.goto("/portal/add");
    await page.getByRole("button", { name: t("enrol.choose.oath.title") }).click();
    await page.getByRole("button", { name: t("enrol.oath.cannotScan") }).click();
    const secret = page.locator(".sp-secret code");
    await expect(secret).toBeVisible();
    await page.getByLabel(t("enrol.oath.code"), { exact: true }).fill(await new App((await secret.textContent()) ?? "").code());
    await page.getByRole("button", { name: t("enrol.test.do") }).click();
    await expect(page.getByRole("heading", { name: t("enrol.done.title") })).toBeVisible();
  });

  story.passkeys.owner = await v.passkeys();
  expect(unexpected(v.faults), "what the browser complained about").toEqual([]);
  saveStory(story);
  await v.leave();
});

test("a wrong code, and the help desk finds out why and unlocks", async ({ come }) => {
  const story = loadStory();
  const app = new App(story.person.secret, story.person.spent);
  let reply = logIn(story.clientSecret, names.person, password, app.wrong());
  expect(reply.code).toBe("Access-Reject");
  expect(reply.reference, `the reply says a reference: ${reply.message}`).not.toBe("");
  story.reference = reply.reference;
  const first = reply.reference;

  const v = await come(names.helpDesk);
  const { page } = v;
  await v.signIn(names.helpDesk);

  await test.step("the help desk types what the person reads out", async () => {
    await page.keyboard.press("Control+k");
    const box = page.getByRole("combobox", { name: c("shell.lookup") });
    await box.fill(first.toLowerCase().replace("-", " "));
    await box.press("Enter");
    await expect(page).toHaveURL(new RegExp(`/console/sign-ins/${first}$`));
    await expect(page.getByRole("heading", { level: 1, name: c("trace.title", { reference: first }) })).toBeVisible();
    const main = page.getByRole("main");
    await expect(main.getByText(names.person).first()).toBeVisible();
    await expect(main.getByText(c("trace.tell"))).toBeVisible();
    await expect(
      main.getByRole("tab", { name: c("trace.administrator") }),
      "the reading of administrators is not for the help desk",
    ).toHaveCount(0);
  });

  await test.step("so many wrong codes that the account is stopped", async () => {
    let stopped = false;
    for (let n = 0; n < 20 && !stopped; n++) {
      reply = logIn(story.clientSecret, names.person, password, app.wrong());
      expect(reply.code).toBe("Access-Reject");
      const seen = await v.call("GET", `/v1/accounts/${names.person}`);
      expect(seen.status).toBe(200);
      stopped = (seen.json as { failures?: { stopped: boolean } }).failures?.stopped === true;
    }
    expect(stopped, "wrong codes stop the account").toBe(true);
    const right = logIn(story.clientSecret, names.person, password, await app.code());
    story.person.spent = app.spent;
    expect(right.code, "not even a right code is good now").toBe("Access-Reject");
  });

  await test.step("the help desk unlocks it, and the person logs in", async () => {
    await page.goto(`/console/accounts/${names.person}`);
    await settled(page);
    await expect(page.getByText(c("obstacle.stopped", { name: names.person }))).toBeVisible();
    await page.getByRole("button", { name: c("obstacle.unlock"), exact: true }).click();
    await v.proving(page.getByText(c("account.can"), { exact: true }));
    const right = logIn(story.clientSecret, names.person, password, await app.code());
    story.person.spent = app.spent;
    expect(right.code, right.all).toBe("Access-Accept");
  });

  await test.step("what the help desk may not do is off, and refused", async () => {
    await expectOff(v, c("account.add_authenticator"));
    for (const [method, path, body] of [
      ["POST", `/v1/accounts/${names.person}/role`, { role: "owner" }],
      ["POST", `/v1/accounts/${names.owner}/block`, { reason: "no" }],
      ["POST", `/v1/accounts/${names.person}/password`, { password }],
      ["POST", "/v1/applications", { name: "no" }],
    ] as const) {
      const answer = await v.call(method, path, body);
      expect(answer.status, `${method} ${path}`).toBe(403);
    }
  });

  expect(unexpected(v.faults), "what the browser complained about").toEqual([]);
  saveStory(story);
});

test("the auditor may look and not touch", async ({ come }) => {
  const story = loadStory();
  const v = await come(names.auditor);
  const { page } = v;
  await v.signIn(names.auditor);

  await test.step("everything can be read", async () => {
    for (const path of [
      "/v1/dashboard",
      "/v1/events?limit=5",
      `/v1/events/${story.reference}`,
      "/v1/accounts",
      `/v1/accounts/${names.person}`,
      "/v1/clients",
      "/v1/rules",
      "/v1/acts",
      "/v1/roles",
      "/v1/reports/usage",
    ]) {
      expect((await v.call("GET", path)).status, path).toBe(200);
    }
  });

  await test.step("nothing can be touched", async () => {
    await page.goto(`/console/accounts/${names.person}`);
    await settled(page);
    for (const name of [c("account.new_phone"), c("account.bypass"), c("account.block"), c("account.add_authenticator")])
      await expectOff(v, name);
    await page.goto("/console/accounts");
    await settled(page);
    await expectOff(v, c("accounts.add"));

    const account = `/v1/accounts/${names.person}`;
    for (const [method, path, body] of [
      ["POST", `${account}/unlock`, {}],
      ["POST", `${account}/block`, { reason: "no" }],
      ["POST", `${account}/disable`, {}],
      ["POST", `${account}/bypass`, { seconds: 60, reason: "no" }],
      ["POST", `${account}/invitations`, { kind: "code" }],
      ["POST", `${account}/role`, { role: "owner" }],
      ["PATCH", account, { aliases: [] }],
      ["DELETE", account, undefined],
      ["POST", "/v1/accounts", { name: "no" }],
      ["POST", "/v1/applications", { name: "no" }],
      ["DELETE", `/v1/clients/${names.client}`, undefined],
      ["POST", "/v1/api-keys", { name: "no", permissions: ["event.read"] }],
      ["POST", "/v1/cache/purge", {}],
    ] as const) {
      const answer = await v.call(method, path, body);
      expect(answer.status, `${method} ${path}`).toBe(403);
      expect(answer.problem, `${method} ${path}: it is not a matter of proving oneself`).not.toContain("step-up");
    }
    expect((await v.call("GET", account)).json, "and nothing was").toMatchObject({ name: names.person, enabled: true, blocked: false });
  });

  expect(unexpected(v.faults), "what the browser complained about").toEqual([]);
});

test("a passkey that does not check its person opens nothing", async ({ come }) => {
  const v = await come(names.owner);
  await v.verifies(false);
  await v.page.goto("/sign-in?client=console");
  await v.page.getByLabel(t("signin.name"), { exact: true }).fill(names.owner);
  await v.page.getByRole("button", { name: t("signin.withPasskey") }).click();
  await expect(v.page.getByRole("alert").first()).toBeVisible();
  const went: string[] = [];
  v.page.on("framenavigated", (frame) => went.push(frame.url().replace(server.url(), "")));
  await v.page.goto("/console/accounts?state=locked");
  await expect(v.page).toHaveURL(/\/sign-in\?/);
  await expect(v.page.getByRole("button", { name: t("signin.withPasskey") })).toBeVisible();
  await v.page.waitForLoadState("networkidle");
  const back = encodeURIComponent("/console/accounts?state=locked");
  expect([...new Set(went)], "one step to the sign-in page, which knows the way back").toEqual([
    "/console/accounts?state=locked",
    `/sign-in?client=console&to=${back}`,
  ]);
  expect((await v.call("GET", "/v1/session?client=console")).status).toBe(401);
});

const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

/** Ticks that the recovery codes are kept, and goes on. */
async function keepCodes(v: Visitor): Promise<void> {
  const codes = v.page.getByRole("list", { name: t("ui.codes.label") }).getByRole("listitem");
  await expect(codes).toHaveCount(10);
  await v.page.getByLabel(t("ui.codes.kept")).check();
  await v.page.getByRole("button", { name: t("ui.next"), exact: true }).click();
}

/** Redeems an invitation and chooses a password. */
async function redeem(v: Visitor, link: string): Promise<void> {
  const { page } = v;
  await page.goto(link);
  await expect(page, "the secret does not stay in the address").toHaveURL(/\/enrol$/);
  await page.getByRole("button", { name: t("enrol.redeem.do") }).click();
  await page.getByLabel(t("enrol.password.new"), { exact: true }).fill(password);
  await page.getByLabel(t("enrol.password.again"), { exact: true }).fill(password);
  await page.getByRole("button", { name: t("enrol.password.do") }).click();
}

/** Enrols with an authenticator app on a phone's screen and returns the app's secret. */
async function enrolOnPhone(browser: Browser, link: string, story: Story): Promise<string> {
  const v = await Visitor.come(browser, phone);
  const { page } = v;
  const fits = async (where: string) => expect(await sticksOut(page), where).toEqual([]);
  await redeem(v, link);
  await expect(page.getByRole("button", { name: t("enrol.choose.oath.title") })).toBeVisible();
  await page.reload(); // phones let go of pages; this one goes on where it was
  await expect(page.getByRole("button", { name: t("enrol.choose.oath.title") })).toBeVisible();
  await fits("choice");
  await page.getByRole("button", { name: t("enrol.choose.oath.title") }).click();
  await page.getByRole("button", { name: t("enrol.oath.cannotScan") }).click();
  const shown = page.locator(".sp-secret code");
  await expect(shown).toBeVisible();
  await fits("secret");
  const secret = ((await shown.textContent()) ?? "").replace(/\s/g, "");
  const app = new App(secret);
  const code = page.getByLabel(t("enrol.oath.code"), { exact: true });
  await code.fill(app.wrong());
  await page.getByRole("button", { name: t("enrol.test.do") }).click();
  await expect(page.getByText(t("enrol.test.failed"))).toBeVisible();
  await code.fill(await app.code());
  await page.getByRole("button", { name: t("enrol.test.do") }).click();
  await fits("recovery codes");
  await keepCodes(v);
  await expect(page.getByRole("heading", { name: t("enrol.done.title") })).toBeVisible();
  await fits("done");
  await page.getByRole("button", { name: t("enrol.done.portal") }).click();
  await expect(page).toHaveURL(/\/sign-in\?client=portal/);
  expect((await v.call("GET", "/v1/me")).status, "what an invitation began is over").toBe(401);
  expect(unexpected(v.faults), "what the phone's browser complained about").toEqual([]);
  story.person.spent = app.spent;
  await v.leave();
  return secret;
}

/** Enrols with a passkey. */
async function enrolWithPasskey(v: Visitor, link: string, name: string): Promise<void> {
  const { page } = v;
  await redeem(v, link);
  await page.getByRole("button", { name: t("enrol.choose.passkey.title") }).click();
  await page.getByLabel(t("enrol.passkey.name"), { exact: true }).fill(`${name}'s laptop`);
  await page.getByRole("button", { name: t("enrol.passkey.do") }).click();
  await keepCodes(v);
  await expect(page.getByRole("heading", { name: t("enrol.done.title") })).toBeVisible();
  expect(unexpected(v.faults), "what the browser complained about").toEqual([]);
}

/** Adds a person in the console, who is not invited yet. */
async function addPerson(v: Visitor, name: string): Promise<void> {
  const { page } = v;
  await page.goto("/console/accounts/add");
  await page.getByRole("textbox", { name: c("accounts.name"), exact: true }).fill(name);
  await page
    .getByRole("main")
    .getByRole("button", { name: c("accounts.add"), exact: true })
    .click();
  const dialogue = page.getByRole("dialog", { name: c("invite.title", { name }) });
  await dialogue.getByRole("button", { name: c("act.cancel") }).click();
  await expect(page).toHaveURL(new RegExp(`/console/accounts/${name}$`));
}

/** Adds a person with a role in the console, invites them in the same go and returns the link. */
async function addWithRole(v: Visitor, name: string, role: string): Promise<string> {
  const { page } = v;
  await page.goto("/console/accounts/add");
  await page.getByRole("textbox", { name: c("accounts.name"), exact: true }).fill(name);
  await page.getByRole("main").getByLabel(c("accounts.role"), { exact: true }).first().click();
  await page.getByRole("option", { name: c(`role.name.${role}`), exact: true }).click();
  await page
    .getByRole("main")
    .getByRole("button", { name: c("accounts.add"), exact: true })
    .click();
  const dialogue = page.getByRole("dialog", { name: c("invite.title", { name }) });
  await v.proving(dialogue);
  expect((await v.call("GET", `/v1/accounts/${name}`)).json, "the role is there before the invitation").toMatchObject({ role });
  return madeInvitation(v, dialogue);
}

/** Invites a person on their page and returns the link. */
async function invite(v: Visitor, name: string): Promise<string> {
  const { page } = v;
  await page.goto(`/console/accounts/${name}`);
  await settled(page);
  await page
    .getByRole("main")
    .getByRole("button", { name: c("account.invite"), exact: true })
    .click();
  return madeInvitation(v, page.getByRole("dialog", { name: c("invite.title", { name }) }));
}

/** Makes the invitation that a dialogue offers and returns the link. */
async function madeInvitation(v: Visitor, dialogue: Locator): Promise<string> {
  await dialogue.getByRole("button", { name: c("invite.make") }).click();
  const link = dialogue.locator(".sp-secret code");
  await v.proving(link);
  const text = ((await link.textContent()) ?? "").trim();
  await dialogue.getByRole("button", { name: c("act.done") }).click();
  await expect(dialogue).toBeHidden();
  return text;
}

async function giveRole(v: Visitor, name: string, role: string): Promise<void> {
  const { page } = v;
  await page.goto(`/console/accounts/${name}`);
  await settled(page);
  await page.getByRole("button", { name: c("account.more") }).click();
  await page.getByRole("menuitem", { name: c("account.role"), exact: true }).click();
  const dialogue = page.getByRole("dialog", { name: c("account.role_title", { name }) });
  await dialogue.getByRole("radio", { name: c(`role.name.${role}`), exact: true }).check();
  await dialogue.getByRole("button", { name: c("account.role"), exact: true }).click();
  await v.proving(page.getByText(c("account.did_role", { name })));
}

/** Adds the rule that comes with the form, for the application, and returns its name. */
async function addRule(v: Visitor): Promise<string> {
  const { page } = v;
  const name = "vpn-needs-two";
  await page.goto("/console/rules/add");
  await settled(page);
  await page.getByRole("textbox", { name: c("rules.name"), exact: true }).fill(name);
  await page
    .getByRole("main")
    .getByRole("button", { name: c("rules.add"), exact: true })
    .click();
  await v.proving(page.getByText(c("rules.did_add", { name })));
  await expect(page).toHaveURL(/\/console\/rules$/);
  await expect(page.getByRole("main").getByText(name).first()).toBeVisible();
  const { json } = await v.call("GET", "/v1/rules");
  expect((json as { items: { name: string }[] }).items.map((r) => r.name)).toContain(name);
  return name;
}

/** What a role may not do is not there, or off. */
async function expectOff(v: Visitor, name: string): Promise<void> {
  for (const button of await v.page.getByRole("main").getByRole("button", { name, exact: true }).all()) await expect(button).toBeDisabled();
  await expect(v.page.getByRole("main").getByRole("link", { name, exact: true })).toHaveCount(0);
}
