// Names for what the API sends, so that a page need not spell out where in the
// description it stands.
import type { components, operations } from "./types";

type Schemas = components["schemas"];

export type AccountView = Schemas["AccountView"];
export type Act = Schemas["ActView"];
export type AuthenticatorView = Schemas["AuthenticatorView"];
export type BoundView = Schemas["BoundView"];
export type BypassView = Schemas["BypassView"];
export type CacheRuleView = Schemas["CacheRuleView"];
export type ClientView = Schemas["ClientView"];
export type Config = Schemas["SiteConfig"];
export type Dashboard = Schemas["Dashboard"];
export type DryRun = Schemas["DryRunView"];
export type Enrolled = Schemas["Confirmed"];
export type Enrolment = Schemas["Enrolment"];
export type EventQuery = NonNullable<operations["event.list"]["parameters"]["query"]>;
export type EventView = Schemas["EventView"];
export type ExemptionView = Schemas["ExemptionView"];
export type Expiring = Schemas["Expiry"];
export type ExplainView = Schemas["ExplainView"];
export type Finding = Schemas["Finding"];
export type Invitation = Schemas["InvitationMade"];
export type KeyView = Schemas["KeyView"];
export type Me = Schemas["Me"];
export type MyEvent = Schemas["MyEvent"];
export type PatienceView = Schemas["PatienceView"];
export type RoleView = Schemas["RoleView"];
export type RuleView = Schemas["RuleView"];
export type SessionItem = Schemas["OpenSession"];
export type SessionView = Schemas["SessionView"];
export type SignIn = Schemas["SignIn"];
export type Step = Schemas["Step"];
export type System = Schemas["SystemStatus"];
export type TrustedIPView = Schemas["TrustedIPView"];
export type WhyView = Schemas["WhyView"];
