import type { Text } from "./sentence";

/** Where the words for the values of a field are. */
const words: Record<string, (value: string) => string> = {
  factor: (v) => `factor.${v}`,
  methods: (v) => `factor.${v}`,
  holding: (v) => `factor.${v}`,
  role: (v) => `role.name.${v}`,
  need: (v) => `rule.need_${v}`,
  unenrolled: (v) => `rules.unenrolled_${v}`,
  mode: (v) => `client.mode_${v}`,
  password: (v) => `client.password_${v}`,
  origin: (v) => `client.origin_${v.replaceAll("-", "_")}`,
  door: (v) => `door.${v}`,
  type: (v) => `cache_type.${v}`,
  permissions: (v) => `permission.${v.replace(".", "_")}`,
};

const moment = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g;

/** A text of a program with its times as the reader has them. */
export function withTimes(text: string, exact: (time: string) => string): string {
  return text.replace(moment, (time) => exact(time));
}

/**
 * A recorded value in the reader's words: "oath" of the field factor is
 * "Authenticator app or token". Undefined for what has no other words, such as a
 * name or an address.
 */
export function recorded(path: string, value: string, t: Text, exact: (time: string) => string): string | undefined {
  if (value === "true") return t("yes");
  if (value === "false") return t("no");
  const at = withTimes(value, exact);
  if (at !== value) return at;
  const key = words[path.slice(path.lastIndexOf(".") + 1)]?.(value);
  if (key === undefined) return undefined;
  const word = t(key, { defaultValue: "" });
  return word === "" ? undefined : word;
}
