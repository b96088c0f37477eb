// The shapes of the API that the console reads and writes. They are those of
// the server's own view types; a field that may be left out there is optional
// here. Times are RFC 3339 texts.

export interface Page<T> {
  items: T[];
  next?: string;
}

export type Verdict = "accept" | "reject" | "challenge" | "unavailable" | "ignore";

export interface EventView {
  time: string;
  account: string;
  application: string;
  client: string;
  source: string;
  from?: string;
  door: string;
  verdict: string;
  code: number;
  outcome: string;
  label: string;
  factor?: string;
  rule?: string;
  failures?: number;
  count: number;
  took_us: number;
  reference: string;
  seq: number;
}

export interface EventPage extends Page<EventView> {
  /** How far back the search has looked, if there may be more. */
  back?: string;
}

export interface Step {
  stage: string;
  ok: boolean;
  took_ns: number;
  note?: string;
}

export interface WhyView extends EventView {
  authenticator?: string;
  stage: string;
  person: string;
  help_desk: string;
  /** Only for those who may read the administrator's reading. */
  administrator?: string;
  remedy?: string;
  mfa_at_fault: boolean;
  trace?: Step[];
  remarks?: string[];
}

export interface OutcomeView {
  code: number;
  outcome?: string;
  name?: string;
  label: string;
  stage: string;
  verdict?: string;
  mfa_at_fault?: boolean;
}

export interface Hour {
  hour: string;
  accepted: number;
  refused: number;
  waiting: number;
  faults: number;
}

export type Severity = "critical" | "warning" | "info";

export interface Attention {
  kind: string;
  title: string;
  detail: string;
  severity: Severity;
  link?: string;
}

export interface Expiring {
  what: string;
  name: string;
  at: string;
  detail?: string;
  link?: string;
}

export interface Dashboard {
  since: string;
  hours: Hour[];
  causes: { outcome: string; code: number; label: string; count: number; at_fault: boolean }[];
  methods: { factor: string; count: number }[];
  applications: { application: string; accepted: number; refused: number }[];
  accounts: { all: number; enrolled: number; disabled: number; blocked: number };
  attention: Attention[];
  expiring: Expiring[];
  took_p50_us?: number;
  took_p90_us?: number;
  took_p95_us?: number;
  took_p99_us?: number;
  took_of?: number;
}

export interface AuthenticatorView {
  id: string;
  account: string;
  factor: string;
  label: string;
  serial?: string;
  used: boolean;
  used_at?: string;
  default?: boolean;
  created: string;
}

export interface FailuresView {
  password: number;
  code: number;
  waiting_until?: string;
  stopped: boolean;
}

export interface BypassView {
  account: string;
  from: string;
  until: string;
  live: boolean;
  reason: string;
  actor: string;
}

export interface AccountView {
  id: string;
  name: string;
  aliases: string[];
  groups: string[];
  role?: string;
  enabled: boolean;
  blocked: boolean;
  block_reason?: string;
  blocked_until?: string;
  created: string;
  authenticators?: AuthenticatorView[];
  failures?: FailuresView;
  bypass?: BypassView;
}

export interface BoundView {
  id: string;
  uri?: string;
  codes?: string[];
}

export interface Invitation {
  secret?: string;
  link?: string;
  code?: string;
  expires: string;
}

export interface SessionRow {
  id: string;
  account: string;
  client: string;
  factor: string;
  proven: string;
  created: string;
  seen: string;
  expires: string;
  source: string;
  agent: string;
  current?: boolean;
}

export interface Application {
  name: string;
  created: string;
}

export interface Group {
  name: string;
  attributes?: string[];
  created: string;
}

export interface ClientView {
  name: string;
  application: string;
  door?: string;
  source: string;
  mode: string;
  password: string;
  origin: string;
  origins?: string[];
  lax: boolean;
  rate_per_second: number;
  attributes: string[];
  secrets: number;
  warnings: string[];
  created: string;
}

export interface TurnView {
  from: string;
  to: string;
  count: number;
  after_ms: number;
}

export interface PatienceView {
  client: string;
  advice: string;
  nodes: string[];
  updated?: string;
  exchanges: number;
  repeated: number;
  given_up: number;
  late: number;
  interval_ms: number;
  growth: number;
  sendings: number;
  gives_up_ms: number;
  gives_up_last_ms: number;
  answers: number;
  slower: number;
  p50_ms: number;
  p90_ms: number;
  p99_ms: number;
  turns: TurnView[];
  timeout_ms: number;
  warnings: string[];
}

export interface RuleView {
  place: number;
  name: string;
  applications: string[];
  clients: string[];
  groups: string[];
  sources: string[];
  holding: string[];
  times: string[];
  need: "both" | "primary" | "refuse" | string;
  methods: string[];
  unenrolled: "refuse" | "pass" | "enrol" | string;
  challenge_seconds: number;
  wait_seconds: number;
  attributes: string[];
  weakens: string[];
  warnings: string[];
  created?: string;
  built_in?: boolean;
}

export interface DryRun {
  logins: number;
  otherwise: number;
  since: string;
  truncated?: boolean;
  /** Not looked at, because the account or client is not there any more. */
  gone?: number;
  changes: DryRunChange[];
}

export interface DryRunChange {
  from_rule: string;
  to_rule: string;
  from: string;
  from_methods?: string[];
  to: string;
  to_methods?: string[];
  weaker?: boolean;
  count: number;
  examples: { reference: string; time?: string; account: string; application: string; client?: string }[];
}

export interface TrustedIPView {
  id: string;
  application: string;
  range: string;
  note?: string;
  warnings: string[];
  created: string;
}

export interface CacheRuleView {
  id: string;
  application: string;
  type: string;
  seconds: number;
  code: number;
  warnings: string[];
  created: string;
}

export interface ExemptionView {
  kind: string;
  what: string;
  since: string;
  until?: string;
  end: string;
}

export interface ExplainView {
  claimant: string;
  account: string;
  application: string;
  client: string;
  ip?: string;
  at: string;
  rule?: string;
  need?: string;
  methods: string[];
  exemption?: string;
  possible: boolean;
  verdict: string;
  code: number;
  outcome: string;
  label: string;
  answer: string;
  remedy?: string;
  notes: string[];
  trace: Step[];
}

export interface RoleView {
  name: string;
  permissions: string[];
  builtin: boolean;
  accounts?: number;
}

export interface KeyView {
  name: string;
  permissions: string[];
  client?: string;
  created: string;
  expires?: string;
  used?: string;
  expired?: boolean;
}

export interface Act {
  seq: number;
  time: string;
  actor: string;
  action: string;
  subject: string;
  detail?: string;
  /** The record as it was and as it is: an object, or its JSON as a text. */
  before?: unknown;
  after?: unknown;
}

export interface NodeView {
  name: string;
  version: string;
  since: string;
  seen: string;
  missing?: boolean;
}

export interface ExportStatus {
  name: string;
  url: string;
  position: number;
  head: number;
  oldest?: string;
  lag_seconds: number;
  late: boolean;
  given_up: boolean;
  ships: boolean;
  delivered: number;
  failures: number;
  last_success?: string;
  last_error?: string;
  last_failure?: string;
}

export interface AuditStatus {
  node: string;
  anchor_file: string;
  anchor_seq: number;
  anchor_time?: string;
  keep_events: string;
  exports: ExportStatus[];
}

export interface FactorView {
  name: string;
  title: string;
  category: string;
  passkey: boolean;
}

export interface InvitationView {
  id: string;
  account: string;
  kind: string;
  replace: boolean;
  by: string;
  tries: number;
  created: string;
  expires: string;
}

export interface SystemView {
  version: string;
  node: string;
  nodes: NodeView[];
  ready?: boolean;
  checks: { name: string; ok: boolean; advisory?: boolean; error?: string }[];
  audit?: AuditStatus;
  settings: { key: string; value: string; help?: string }[];
  exemptions?: number;
  rewound?: string;
  events?: number;
  accounts?: number;
}

export interface Finding {
  id: string;
  kind: string;
  title: string;
  application?: string;
  client?: string;
  count: number;
  first?: string;
  last?: string;
  examples: {
    account: string;
    what: string;
    logins: { reference: string; time: string; client: string; from?: string; node?: string }[];
  }[];
  advice: string;
  command?: string;
  done?: string;
}

export interface ReportView {
  columns: { key: string; label: string; kind?: string }[];
  items: Record<string, string>[];
  next?: string;
}

export interface DiagnosisStep {
  text: string;
  commands?: string[];
}

export interface DiagnosisFinding {
  cause: string;
  title: string;
  means: string;
  confidence: "proven" | "likely" | "possible";
  confidence_reason: string;
  mfa_at_fault: boolean;
  note?: boolean;
  count: number;
  first?: string;
  last?: string;
  users?: string[];
  user_count?: number;
  hosts?: string[];
  clients?: string[];
  evidence: { file: string; line: number; text: string }[] | null;
  who: string;
  remedy: DiagnosisStep[] | null;
  verify: DiagnosisStep[] | null;
  source: string[] | null;
}

export interface DiagnosisAttempt {
  time?: string;
  end?: string;
  zone_assumed?: boolean;
  product: string;
  user?: string;
  host?: string;
  client?: string;
  from?: string;
  method?: string;
  stage?: string;
  verdict: "accepted" | "refused" | "failed" | "challenged" | "abandoned";
  codes?: string[];
  causes?: string[];
  file: string;
  line: number;
}

export interface Diagnosis {
  schema: string;
  made: string;
  files?: { name: string; formats: Record<string, number>; encoding?: string; lines: number; bytes: number; error?: string }[];
  totals: {
    attempts: number;
    accepted: number;
    refused: number;
    failed: number;
    challenged: number;
    abandoned: number;
  };
  findings: DiagnosisFinding[] | null;
  attempts: DiagnosisAttempt[] | null;
  warnings?: string[];
}

export interface ImportResult {
  added: number;
  unassigned: number;
  bad: { row?: number; serial?: string; why?: string; [key: string]: unknown }[] | null;
}

export interface TestLogin {
  verdict: string;
  message: string;
  reference?: string;
  state?: string;
  why?: WhyView;
}

export interface SessionView {
  account: string;
  name?: string;
  client: string;
  factor: string;
  role?: string;
  permissions: string[];
  enrolling?: boolean;
  proven: string;
  created: string;
  expires: string;
  idle_seconds?: number;
}
