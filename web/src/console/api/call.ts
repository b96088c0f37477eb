import { callingFetch } from "~/api";

/** Query parameters; what is undefined or "" is left out. */
export type Query = Record<string, string | number | boolean | undefined>;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface CallOptions {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
}

export function addressOf(path: string, query?: Query): string {
  const q = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "") q.set(key, String(value));
  }
  const text = q.toString();
  return text === "" ? path : `${path}?${text}`;
}

/**
 * Calls the API by a path that is worked out at run time. A refusal is thrown as
 * a ProblemError; a call that needs a step-up asks for it and goes on.
 */
export async function call<T>(method: Method, path: string, options: CallOptions = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  let body: BodyInit | undefined;
  if (options.body instanceof FormData) body = options.body;
  else if (method !== "GET" && method !== "DELETE") {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.body ?? {});
  }
  const request = new Request(new URL(addressOf(path, options.query), location.origin), { method, headers, body, signal: options.signal });
  const response = await callingFetch(request);
  const text = await response.text();
  return (text === "" ? {} : JSON.parse(text)) as T;
}

/** Calls the API and returns what it answers as it is, for files. */
export async function callFile(method: Method, path: string, accept: string, options: CallOptions = {}): Promise<Blob> {
  const body = options.body instanceof FormData ? options.body : undefined;
  const request = new Request(new URL(addressOf(path, options.query), location.origin), {
    method,
    headers: { Accept: accept },
    body,
    signal: options.signal,
  });
  return (await callingFetch(request)).blob();
}

/** Hands a file to the browser to be kept. */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A part of a path: names may hold anything. */
export function part(name: string): string {
  return encodeURIComponent(name);
}
