// What every page of the console stands on: the texts, the API and what the
// signed-in role may do.
import { type QueryKey, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { toast } from "~/ui/toast";
import { call, type Query } from "./api/call";
import type { Page, SessionView } from "./api/types";
import type { Text } from "./lib/sentence";
import * as time from "./lib/time";

/** Texts, numbers and times in the reader's language and zone. */
export function useText() {
  const { t: translate, i18n } = useTranslation("console");
  const language = i18n.resolvedLanguage ?? i18n.language ?? "en";
  return useMemo(() => {
    const t: Text = (key, values) => String(translate(key, values ?? {}));
    const numbers = new Intl.NumberFormat(language);
    return {
      t,
      language,
      n: (value: number) => numbers.format(value),
      exact: (text: string) => time.exact(text, language),
      minute: (text: string) => time.minute(text, language),
      day: (text: string) => time.day(text, language),
      clock: (text: string) => time.clock(text, language, new Date()),
      relative: (text: string) => time.relative(text, language, new Date()),
      span: (micros: number) => time.span(micros, language),
      kept: (duration: string) => time.kept(duration, language),
      list: (names: string[]) => new Intl.ListFormat(language, { type: "conjunction" }).format(names),
    };
  }, [translate, language]);
}

export type Texts = ReturnType<typeof useText>;

const SessionContext = createContext<SessionView | undefined>(undefined);
export const SessionProvider = SessionContext.Provider;

export function useSession(): SessionView {
  const s = useContext(SessionContext);
  if (s === undefined) throw new Error("console: a page outside of the shell");
  return s;
}

/** Tells whether the signed-in role has a permission. */
export function useMay(): (permission: string) => boolean {
  const { permissions } = useSession();
  return useMemo(() => {
    const held = new Set(permissions);
    return (permission) => held.has(permission);
  }, [permissions]);
}

const keyOf = (path: string, query?: Query): QueryKey => ["console", path, query ?? {}];

export interface GetOptions {
  enabled?: boolean;
  /** Asks again every so many ms while the page is shown. */
  every?: number;
}

/** One record or a short list. */
export function useGet<T>(path: string, query?: Query, options: GetOptions = {}) {
  return useQuery<T>({
    queryKey: keyOf(path, query),
    queryFn: ({ signal }) => call<T>("GET", path, { query, signal }),
    enabled: options.enabled ?? true,
    ...(options.every === undefined ? {} : { refetchInterval: options.every }),
  });
}

/** A list that is paged by cursor. */
export function useList<T, P extends Page<T> = Page<T>>(path: string, query?: Query, options: GetOptions = {}) {
  const q = useInfiniteQuery({
    queryKey: keyOf(path, query),
    queryFn: ({ signal, pageParam }) => call<P>("GET", path, { query: { ...query, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: P) => last.next,
    enabled: options.enabled ?? true,
    ...(options.every === undefined ? {} : { refetchInterval: options.every }),
  });
  const pages = q.data?.pages;
  const items = useMemo(() => pages?.flatMap((p) => p.items) ?? [], [pages]);
  return { ...q, items, last: pages?.at(-1) };
}

export interface Change<T> {
  method?: "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  body?: unknown;
  query?: Query;
  /** What is said when it is done. */
  done?: string;
  after?: (answer: T) => void;
}

/**
 * Makes changes. Whatever is shown is asked for again after each, for a change
 * of one thing shows in many places: the account, the acts, the dashboard.
 */
export function useChange<T = unknown>() {
  const client = useQueryClient();
  const m = useMutation<T, Error, Change<T>>({
    mutationFn: (c) => call<T>(c.method ?? "POST", c.path, { body: c.body, query: c.query }),
    onSuccess: async (answer, c) => {
      if (c.done !== undefined) toast.ok(c.done);
      c.after?.(answer);
      await client.invalidateQueries({ queryKey: ["console"] });
    },
  });
  return { run: m.mutate, busy: m.isPending, error: m.error, reset: m.reset };
}
