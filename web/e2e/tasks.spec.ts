// The five things that people come to the console for, each at most three clicks
// from the dashboard; and signing in with nothing but a keyboard.
import { expect, type Locator } from "@playwright/test";
import { App, c, loadStory, logIn, settled, t, test, type Visitor } from "./kit";

const most = 3;

/** Counts the clicks from the dashboard on. */
class Hand {
  clicks = 0;
  async click(what: Locator): Promise<void> {
    this.clicks++;
    await what.click();
  }
}

async function atDashboard(v: Visitor): Promise<Hand> {
  await v.page.goto("/console");
  await settled(v.page);
  return new Hand();
}

test("five tasks, three clicks each", async ({ come }) => {
  test.setTimeout(5 * 60_000);
  const story = loadStory();
  const v = await come("owner");
  await v.signIn("owner");
  const { page } = v;
  const main = page.getByRole("main");

  await test.step("who could not log in, and why", async () => {
    const hand = await atDashboard(v);
    await hand.click(main.getByRole("link", { name: c("task.why"), exact: true }));
    await hand.click(main.getByRole("row").filter({ hasText: story.reference }).first());
    await expect(page.getByText(c("trace.timeline"), { exact: true }).first()).toBeVisible();
    await expect(page.getByText(story.reference).first()).toBeVisible();
    expect(hand.clicks).toBeLessThanOrEqual(most);

    // What the log is filtered by stands there as people say it; the address keeps the stable name.
    const { json } = await v.call("GET", `/v1/events/${story.reference}`);
    const { outcome, label } = json as { outcome: string; label: string };
    await page.goto(`/console/sign-ins?outcome=${outcome}`);
    await settled(page);
    await expect(
      main
        .getByRole("list", { name: c("log.active") })
        .getByRole("listitem")
        .first(),
    ).toHaveText(`${c("filter.outcome")} ${label}`);
    await expect(page).toHaveURL(new RegExp(`outcome=${outcome}$`));
  });

  await test.step("unlock somebody", async () => {
    const app = new App(story.person.secret, story.person.spent);
    let stopped = false;
    for (let n = 0; n < 20 && !stopped; n++) {
      logIn(story.clientSecret, story.person.name, story.person.password, app.wrong());
      const seen = await v.call("GET", `/v1/accounts/${encodeURIComponent(story.person.name)}`);
      expect(seen.status).toBe(200);
      stopped = (seen.json as { failures?: { stopped: boolean } }).failures?.stopped === true;
    }
    expect(stopped, "wrong codes stop the account").toBe(true);
    const hand = await atDashboard(v);
    await hand.click(main.getByRole("link", { name: c("task.unlock"), exact: true }));
    await hand.click(main.getByRole("row").filter({ hasText: story.person.name }).getByRole("link", { name: story.person.name }));
    await hand.click(main.getByRole("button", { name: c("obstacle.unlock"), exact: true }));
    await v.proving(page.getByText(c("account.can"), { exact: true }));
    expect(hand.clicks).toBeLessThanOrEqual(most);
  });

  await test.step("a new phone", async () => {
    const hand = await atDashboard(v);
    await hand.click(main.getByRole("link", { name: c("task.phone"), exact: true }));
    await expect(main.getByRole("searchbox", { name: c("accounts.search") })).toBeFocused();
    await expect(main.getByRole("status").filter({ hasText: c("accounts.title") }), "and the page is announced all the same").toHaveCount(
      1,
    );
    await page.keyboard.type(story.person.name);
    await expect(main.getByRole("row").filter({ has: page.getByRole("link") })).toHaveCount(1);
    await hand.click(main.getByRole("row").getByRole("link", { name: story.person.name }));
    await hand.click(main.getByRole("button", { name: c("account.new_phone"), exact: true }));
    await expect(page.getByRole("dialog", { name: c("invite.title_replace", { name: story.person.name }) })).toBeVisible();
    expect(hand.clicks).toBeLessThanOrEqual(most);
  });

  await test.step("add a VPN", async () => {
    const hand = await atDashboard(v);
    await hand.click(main.getByRole("link", { name: c("task.vpn"), exact: true }));
    await expect(page.getByRole("heading", { level: 1, name: c("vpn.title") })).toBeVisible();
    expect(hand.clicks).toBeLessThanOrEqual(most);
  });

  await test.step("what changed yesterday", async () => {
    const hand = await atDashboard(v);
    await hand.click(main.getByRole("link", { name: c("task.yesterday"), exact: true }));
    await expect(page).toHaveURL(/within=yesterday/);
    await settled(page);
    expect(hand.clicks).toBeLessThanOrEqual(most);
  });

  expect(v.faults, "what the browser complained about").toEqual([]);
});

test("signing in with nothing but a keyboard", async ({ come }) => {
  const v = await come("owner");
  const { page } = v;
  await page.goto("/sign-in?client=console");
  await settled(page);
  const name = page.getByLabel(t("signin.name"), { exact: true });
  const button = page.getByRole("button", { name: t("signin.withPasskey") });
  // The field has the focus, or Tab finds it.
  for (let n = 0; n < 12 && !(await name.evaluate((e) => e === document.activeElement)); n++) await page.keyboard.press("Tab");
  await expect(name).toBeFocused();
  await page.keyboard.type("owner");
  for (let n = 0; n < 12 && !(await button.evaluate((e) => e === document.activeElement)); n++) await page.keyboard.press("Tab");
  await expect(button).toBeFocused();
  // Whoever sees must see where the focus is (WCAG 2.2, 2.4.7).
  const outline = await button.evaluate((e) => {
    const s = getComputedStyle(e);
    return s.outlineStyle !== "none" && Number.parseFloat(s.outlineWidth) > 0 ? "outline" : s.boxShadow !== "none" ? "shadow" : "";
  });
  expect(outline, "the focus can be seen").not.toBe("");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/console(\/|$)/);
  await settled(page);
  // The skip link is first, and leads into the page.
  await page.goto("/console");
  await settled(page);
  await page.keyboard.press("Tab");
  await expect(page.getByText(t("ui.skip"))).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
});
