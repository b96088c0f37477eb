export { type Answer, api, got, gotTagged, keyOf, useApi } from "./client";
export { type Problem, ProblemError, problemOf, toProblem } from "./problem";
export { type Area, areaOf, can, keepSession, landing, signInPath, useSession, useSignOut } from "./session";
export { callingFetch, type StepUp, setStepUp } from "./stepup";
export type * from "./views";
