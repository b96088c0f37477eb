import type { RuleView } from "../api/types";

/** How texts are looked up; that of i18next fits. */
export type Text = (key: string, values?: Record<string, unknown>) => string;

export type Terms = Pick<
  RuleView,
  | "applications"
  | "clients"
  | "groups"
  | "sources"
  | "holding"
  | "times"
  | "need"
  | "methods"
  | "unenrolled"
  | "challenge_seconds"
  | "wait_seconds"
  | "attributes"
>;

/** A rule as people say it, in two halves. */
export interface Sentence {
  when: string;
  does: string[];
}

/** Lists names as the language does: "a, b or c". */
export function anyOf(names: string[], language: string): string {
  return new Intl.ListFormat(language, { type: "disjunction" }).format(names);
}

export function allOf(names: string[], language: string): string {
  return new Intl.ListFormat(language, { type: "conjunction" }).format(names);
}

export function factorName(t: Text, factor: string): string {
  return t(`factor.${factor}`, { defaultValue: factor });
}

/** Says a rule in words. The rule for what no other matches has no conditions. */
export function ruleSentence(rule: Terms & { built_in?: boolean }, t: Text, language: string): Sentence {
  const conditions: string[] = [];
  const condition = (key: string, names: string[]) => {
    if (names.length > 0) conditions.push(t(`rule.when.${key}`, { names: anyOf(names, language) }));
  };
  condition("applications", rule.applications);
  condition("clients", rule.clients);
  condition("groups", rule.groups);
  condition("sources", rule.sources);
  condition(
    "holding",
    rule.holding.map((f) => factorName(t, f)),
  );
  condition("times", rule.times);

  const does: string[] = [];
  switch (rule.need) {
    case "refuse":
      does.push(t("rule.then.refuse"));
      break;
    case "primary":
      does.push(t("rule.then.primary"));
      break;
    default:
      does.push(
        rule.methods.length > 0
          ? t("rule.then.both_methods", {
              methods: anyOf(
                rule.methods.map((f) => factorName(t, f)),
                language,
              ),
            })
          : t("rule.then.both"),
      );
      does.push(t(`rule.then.unenrolled_${rule.unenrolled}`, { defaultValue: rule.unenrolled }));
      if (rule.challenge_seconds > 0) does.push(t("rule.then.challenge", { count: rule.challenge_seconds }));
      if (rule.wait_seconds > 0) does.push(t("rule.then.wait", { count: rule.wait_seconds }));
  }
  if (rule.need !== "refuse" && rule.attributes.length > 0) {
    does.push(t("rule.then.attributes", { names: allOf(rule.attributes, language) }));
  }
  const when =
    conditions.length > 0
      ? t("rule.when.all", { conditions: allOf(conditions, language) })
      : t(rule.built_in === true ? "rule.when.nothing_else" : "rule.when.always");
  return { when, does };
}
