// Looks at the live sign-in log in a real browser while logins are committed,
// and prints as JSON how the page kept up: the gaps between frames, and how old
// the newest login is that it shows. `go run ./bench/console -browser` runs it.
import { chromium } from "@playwright/test";

const url = process.env.SALLYPORT_URL;
const token = process.env.SALLYPORT_TOKEN;
const seconds = Number(process.env.SALLYPORT_SECONDS ?? "20");
const browser = await chromium.launch({
  executablePath: process.env.SALLYPORT_CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  const context = await browser.newContext({ timezoneId: "UTC", locale: "en-GB" });
  await context.addCookies([
    { name: "__Host-sallyport-console", value: token, domain: "localhost", path: "/", secure: true, httpOnly: true, sameSite: "Strict" },
  ]);
  const page = await context.newPage();
  await page.goto(`${url}/console/sign-ins`);
  await page.getByText("Live", { exact: true }).waitFor({ timeout: 30_000 });
  await page.waitForTimeout(3000); // until the first rush is over
  const seen = await page.evaluate(async (ms) => {
    const gaps = [];
    const lags = [];
    const began = performance.now();
    let last = began;
    await new Promise((done) => {
      const frame = (now) => {
        gaps.push(now - last);
        last = now;
        if (gaps.length % 30 === 0) {
          const clock = /(\d\d):(\d\d):(\d\d)/.exec(document.querySelector("main")?.textContent ?? "");
          if (clock) {
            const shown = Number(clock[1]) * 3600 + Number(clock[2]) * 60 + Number(clock[3]);
            lags.push(((Date.now() / 1000) % 86400) - shown);
          }
        }
        if (now - began < ms) requestAnimationFrame(frame);
        else done();
      };
      requestAnimationFrame(frame);
    });
    gaps.sort((a, b) => a - b);
    return {
      seconds: (last - began) / 1000,
      frames: gaps.length,
      gap_p95_ms: gaps[Math.floor(gaps.length * 0.95)],
      gap_worst_ms: gaps[gaps.length - 1],
      newest_shown_age_worst_s: Math.max(...lags),
      heap_mb: (performance.memory?.usedJSHeapSize ?? 0) / 1e6,
    };
  }, seconds * 1000);
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
