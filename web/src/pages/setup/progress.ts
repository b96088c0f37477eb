/** The steps of first set-up, in their order. */
export const steps = ["owner", "signin", "application", "client", "person", "test"] as const;
export type StepName = (typeof steps)[number];

/** What the server has already, by which a wizard that was left goes on where it was. */
export interface Standing {
  signedIn: boolean;
  owner: boolean;
  applications: number;
  clients: number;
  people: number;
  logins: number;
}

/** Which steps are done. */
export function done(s: Standing): Record<StepName, boolean> {
  return {
    owner: s.owner || s.signedIn,
    signin: s.signedIn,
    application: s.applications > 0,
    client: s.clients > 0,
    person: s.people > 1, // the owner is one
    test: s.logins > 0,
  };
}

/** The first step that is not done; the last if all are. */
export function next(s: Standing): StepName {
  const d = done(s);
  return steps.find((n) => !d[n]) ?? "test";
}
