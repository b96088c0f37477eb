import type { RuleView } from "../api/types";
import { attributesOf } from "./attributes";

/** A rule as the API takes it, for adding, changing and trying. */
export interface Terms {
  applications: string[];
  clients: string[];
  groups: string[];
  sources: string[];
  holding: string[];
  times: string[];
  need: string;
  methods: string[];
  unenrolled: string;
  challenge_seconds: number;
  wait_seconds: number;
  attributes: string[];
}

export interface NewRule extends Terms {
  name: string;
}

/** A rule to begin with: both factors of everybody. */
export const blank: RuleView = {
  place: 0,
  name: "",
  applications: [],
  clients: [],
  groups: [],
  sources: [],
  holding: [],
  times: [],
  need: "both",
  methods: [],
  unenrolled: "refuse",
  challenge_seconds: 0,
  wait_seconds: 0,
  attributes: [],
  weakens: [],
  warnings: [],
};

export function termsOf(r: RuleView): Terms {
  return {
    applications: r.applications,
    clients: r.clients,
    groups: r.groups,
    sources: r.sources,
    holding: r.holding,
    times: r.times,
    need: r.need,
    methods: r.methods,
    unenrolled: r.unenrolled,
    challenge_seconds: r.challenge_seconds,
    wait_seconds: r.wait_seconds,
    attributes: attributesOf(r.attributes),
  };
}

/** All rules that can be changed, in order, as a dry run takes them. */
export function proposal(rules: RuleView[]): NewRule[] {
  return rules.filter((r) => r.built_in !== true).map((r) => ({ name: r.name, ...termsOf(r) }));
}

/** Moves the item at one index to another. */
export function moved<T>(list: T[], from: number, to: number): T[] {
  if (from === to || from < 0 || to < 0 || from >= list.length || to >= list.length) return list;
  const next = [...list];
  const [item] = next.splice(from, 1);
  if (item !== undefined) next.splice(to, 0, item);
  return next;
}

/**
 * The moves that make one order of names into another, each with the place it
 * goes to, counted from 1, when they are made one after the other.
 */
export function moves(now: string[], wanted: string[]): { name: string; place: number }[] {
  const order = [...now];
  const list: { name: string; place: number }[] = [];
  wanted.forEach((name, i) => {
    if (order[i] === name) return;
    const from = order.indexOf(name);
    if (from < 0) return;
    order.splice(from, 1);
    order.splice(i, 0, name);
    list.push({ name, place: i + 1 });
  });
  return list;
}
