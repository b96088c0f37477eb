/** The key of an otpauth address, for typing; "" if there is none. */
export function readSecret(uri: string | undefined): string {
  if (!uri) return "";
  const query = uri.split("?", 2)[1] ?? "";
  return new URLSearchParams(query).get("secret") ?? "";
}

/** In groups of four, as people read aloud and type. */
export function grouped(secret: string): string {
  return secret.match(/.{1,4}/g)?.join(" ") ?? "";
}

/**
 * The secret in the fragment of a link, which no server and no log sees; then
 * takes it out of the address bar and the history.
 */
export function takeFragment(): string {
  const secret = decodeURIComponent(location.hash.replace(/^#/, ""));
  if (secret) history.replaceState(history.state, "", location.pathname + location.search);
  return secret;
}
