import { hashKey, type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { api, got, keyOf, useApi } from "./client";
import { toProblem } from "./problem";
import type { SessionView } from "./views";

/** Where a page belongs: people sign in to the console and the portal apart. */
export type Area = "console" | "portal";

/** The area of a path of this site. */
export function areaOf(path: string): Area {
  // Set-up goes on in the session of the owner that it has made.
  return ["/console", "/set-up"].some((of) => path === of || path.startsWith(`${of}/`)) ? "console" : "portal";
}

const at = (client: Area) => ({ params: { query: { client } } });

/** The session at an area; an error of status 401 if there is none. */
export function useSession(client: Area) {
  return useApi("/v1/session", at(client), { retry: false, staleTime: 60_000, refetchOnWindowFocus: true });
}

/** Whether a session may do something, for instance can(session, "account.write"). */
export function can(session: SessionView | undefined, permission: string): boolean {
  return session?.permissions?.includes(permission) ?? false;
}

/** Puts a session that was just answered where useSession finds it, and forgets what the one before it saw. */
export function keepSession(client: QueryClient, area: Area, session: SessionView): void {
  const key = keyOf("/v1/session", at(area));
  client.setQueryData(key, session);
  const kept = [hashKey(key), hashKey(keyOf("/v1/config"))];
  client.removeQueries({ type: "inactive", predicate: (q) => !kept.includes(q.queryHash) });
  void client.invalidateQueries({ predicate: (q) => !kept.includes(q.queryHash) });
}

/** Ends the session and leaves for the sign-in page; the page is loaded anew, so that nothing stays in memory. */
export function useSignOut(client: Area): () => Promise<void> {
  const queries = useQueryClient();
  return useCallback(async () => {
    try {
      await got(api.DELETE("/v1/session", at(client)));
    } catch (e) {
      if (toProblem(e).status !== 401) throw e; // 401: it had ended already
    }
    queries.clear();
    location.assign(`/sign-in?client=${client}`);
  }, [client, queries]);
}

/** The sign-in page that leads back to where people are. */
export function signInPath(here: { pathname: string; searchStr?: string }): string {
  const to = `${here.pathname}${here.searchStr ?? ""}`;
  return `/sign-in?client=${areaOf(here.pathname)}&to=${encodeURIComponent(to)}`;
}

/** Where to go after signing in to an area: only ever a path of this site that belongs to the area. */
export function landing(area: Area, to: string | undefined): string {
  const home = `/${area}`;
  if (!to || !/^\/[A-Za-z]/.test(to) || /[\\\s]|\/\//.test(to.split("?", 1)[0] ?? "")) return home;
  if (area === "console" && to === "/set-up") return to; // set-up goes on after signing in
  return to === home || to.startsWith(`${home}/`) || to.startsWith(`${home}?`) ? to : home;
}
