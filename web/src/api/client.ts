import { type QueryKey, type UseQueryOptions, type UseQueryResult, useQuery } from "@tanstack/react-query";
import createClient, { type FetchResponse, type MaybeOptionalInit } from "openapi-fetch";
import type { MediaType, PathsWithMethod } from "openapi-typescript-helpers";
import { callingFetch } from "./stepup";
import type { paths } from "./types";

/**
 * The API. Paths, parameters and bodies are checked against its description.
 * Every refusal is thrown as a ProblemError; a call that needs a step-up asks
 * for it and goes on. Read the answer with got(). Lists in a query are separated
 * by commas, for nothing may be given twice.
 */
export const api = createClient<paths>({
  fetch: (request) => callingFetch(request),
  baseUrl: origin(),
  querySerializer: { array: { style: "form", explode: false } },
});

function origin(): string {
  return typeof location === "undefined" ? "http://localhost" : location.origin;
}

/** The data of an answer: got(api.GET("/v1/me")). */
export async function got<T>(call: Promise<{ data?: T; response: Response }>): Promise<NonNullable<T>> {
  return ((await call).data ?? {}) as NonNullable<T>;
}

/** The data of an answer, and its ETag for a later If-Match. */
export async function gotTagged<T>(call: Promise<{ data?: T; response: Response }>): Promise<{ data: NonNullable<T>; etag?: string }> {
  const { data, response } = await call;
  return { data: (data ?? {}) as NonNullable<T>, etag: response.headers.get("ETag") ?? undefined };
}

type Get = PathsWithMethod<paths, "get">;
type Init<P extends Get> = MaybeOptionalInit<paths[P], "get">;
/** What a GET of a path answers. */
export type Answer<P extends Get> = NonNullable<
  FetchResponse<paths[P]["get"] & Record<string | number, unknown>, Init<P>, MediaType>["data"]
>;

/** The key under which useApi keeps an answer; keyOf(path) alone invalidates all answers of a path. */
export function keyOf(path: Get, init?: unknown): QueryKey {
  return init === undefined ? [path] : [path, init];
}

/** Reads a path and keeps the answer: useApi("/v1/accounts", { params: { query: { q } } }). */
export function useApi<P extends Get>(
  path: P,
  init?: Init<P>,
  options?: Omit<UseQueryOptions<Answer<P>, Error>, "queryKey" | "queryFn">,
): UseQueryResult<Answer<P>, Error> {
  return useQuery<Answer<P>, Error>({
    ...options,
    queryKey: keyOf(path, init),
    queryFn: async ({ signal }) => {
      const call = api.GET as unknown as (p: string, i: unknown) => Promise<{ data?: Answer<P>; response: Response }>;
      return got(call(path, { ...(init as object | undefined), signal }));
    },
  });
}
