import { defineConfig } from "@playwright/test";

// The browser story. `go test ./e2e -run TestBrowser` starts the built program
// and runs it; by hand it needs the variables that e2e/kit.ts reads.
export default defineConfig({
  testDir: "e2e",
  outputDir: process.env.SALLYPORT_RESULTS ?? "node_modules/.test-results",
  forbidOnly: true,
  workers: 2, // the PIN waits for codes most of the time, and the pages are looked at meanwhile
  fullyParallel: false,
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    baseURL: process.env.SALLYPORT_URL,
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    actionTimeout: 15_000,
    navigationTimeout: 30_000,
    reducedMotion: "reduce",
    trace: "off", // a trace would hold the secrets of the story
    launchOptions: {
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
    },
  },
  projects: [
    { name: "story", testMatch: "story.spec.ts" },
    { name: "pin", testMatch: "pin.spec.ts", dependencies: ["story"] },
    { name: "pages", testMatch: ["pages.spec.ts", "german.spec.ts"], dependencies: ["story"], workers: 1 }, // all by one person
    { name: "tasks", testMatch: "tasks.spec.ts", dependencies: ["pin", "pages"] }, // locks that person out
  ],
});
