// All pages that there are. Those of the console and the portal are read from
// the tables of routes, so that a new one cannot be forgotten.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Story } from "./kit";

export interface Place {
  /** For messages and pictures. */
  name: string;
  path: string;
}

const source = (path: string) => readFileSync(join(process.cwd(), "src", path), "utf8");

/** Pages for which nobody needs to be signed in. */
export const open: Place[] = [
  { name: "sign-in-console", path: "/sign-in?client=console" },
  { name: "sign-in-portal", path: "/sign-in?client=portal" },
  { name: "enrol", path: "/enrol" },
  { name: "set-up", path: "/set-up" },
  { name: "reference-api", path: "/reference/api" },
  { name: "nowhere", path: "/portal/no-such-page" },
];

/** Pages of the portal. */
export function portal(): Place[] {
  const paths = [...source("router.tsx").matchAll(/inPortal\("([^"]+)"/g)].map((m) => m[1] ?? "");
  if (paths.length === 0) throw new Error("router.tsx names no page of the portal");
  return paths.map((p) => ({ name: `portal${slug(p)}`, path: `/portal${p === "/" ? "" : p}` }));
}

const reports = ["usage", "bypassed", "blocked", "fraud", "unenrolled", "expiring", "locked"];

/** Pages of the console, for an owner. */
export function consolePages(story: Story): Place[] {
  const routes = [...source("console/routes.tsx").matchAll(/^\s*"(\/[^"]*)":/gm)].map((m) => m[1] ?? "");
  if (routes.length === 0) throw new Error("console/routes.tsx names no page");
  const part = encodeURIComponent;
  const known: Record<string, string[]> = {
    "/sign-ins/$reference": [`/sign-ins/${part(story.reference)}`],
    "/accounts/$name": [`/accounts/${part(story.person.name)}`],
    "/clients/$name": [`/clients/${part(story.client)}`],
    "/rules/$name": [`/rules/${part(story.rule)}`],
    "/reports/$report": reports.map((r) => `/reports/${r}`),
    "/$": ["/no-such-page"],
  };
  return routes.flatMap((route) => {
    const paths = known[route] ?? [route];
    return paths.map((p) => {
      if (p.includes("$")) throw new Error(`places.ts does not know an example of ${route}`);
      if (route === "/$") return { name: "console-nowhere", path: `/console${p}` };
      if (p === "/") return { name: "console-dashboard", path: "/console" };
      const values = known[route] && route !== "/reports/$report" ? route.replace("$", "") : p;
      return { name: `console${slug(values)}`, path: `/console${p === "/" ? "" : p}` };
    });
  });
}

const slug = (path: string) => path.replace(/\/$/, "").replace(/[^a-z0-9]+/gi, "-");
