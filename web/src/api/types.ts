// The API as package admin's JSON tags and the route table say it. `npm run
// types` writes this file anew from docs/openapi.json, in the same form.

type Reply<T> = { headers: Record<string, unknown>; content: { "application/json": T } };
type Refusal = { headers: Record<string, unknown>; content: { "application/problem+json": components["schemas"]["Problem"] } };
type Parameters<Query, Path> = {
  query?: Query;
  header?: { "If-Match"?: string };
  path: Path;
  cookie?: never;
};
type ParametersWithoutPath<Query> = {
  query?: Query;
  header?: { "If-Match"?: string };
  path?: never;
  cookie?: never;
};
type Read<T, Query = never, Path = never> = {
  parameters: [Path] extends [never] ? ParametersWithoutPath<Query> : Parameters<Query, Path>;
  requestBody?: never;
  responses: { 200: Reply<T>; default: Refusal };
};
type Send<Body, T, Path = never, Query = never> = {
  parameters: [Path] extends [never] ? ParametersWithoutPath<Query> : Parameters<Query, Path>;
  requestBody: { content: { "application/json": Body } };
  responses: { 200: Reply<T>; default: Refusal };
};
type Ask<T, Path = never> = {
  parameters: [Path] extends [never] ? ParametersWithoutPath<never> : Parameters<never, Path>;
  requestBody?: never;
  responses: { 200: Reply<T>; default: Refusal };
};
type List<T> = { items: T[]; next?: string };
type Page = { limit?: number; cursor?: string };
type Named = { name: string };
type ById = { id: string };
type Empty = Record<string, never>;
type S = components["schemas"];

export interface paths {
  "/v1/config": { get: Read<S["Config"]> };
  "/v1/set-up/check": { post: Send<{ token: string }, { expires: string }> };
  "/v1/set-up/passkey": { post: Send<{ token: string; name: string; password: string }, { ceremony: string; options: unknown }> };
  "/v1/set-up/owner": {
    post: Send<{ token: string; ceremony: string; registration: unknown }, { account: S["AccountView"]; recovery_codes: string[] }>;
  };
  "/v1/sign-in": {
    post: Send<{ client: string; name: string; password?: string; passkey?: boolean; return_to?: string }, S["SignIn"]>;
  };
  "/v1/sign-in/continue": {
    post: Send<{ client: string; name: string; state: string; code?: string; assertion?: unknown; return_to?: string }, S["SignIn"]>;
  };
  "/v1/invitations/redeem": { post: Send<{ secret?: string; name?: string; code?: string }, { session: S["SessionView"] }> };
  "/v1/session": {
    get: Read<S["SessionView"], { client?: string }>;
    delete: Read<Empty, { client?: string }>;
  };
  "/v1/session/step-up": { post: Send<{ passkey?: boolean; password?: string }, S["SignIn"], never, { client?: string }> };
  "/v1/session/step-up/continue": {
    post: Send<{ state: string; code?: string; assertion?: unknown }, S["SignIn"], never, { client?: string }>;
  };
  "/v1/me": { get: Read<S["Me"]> };
  "/v1/me/enrolments": { post: Send<{ kind: string; label?: string; serial?: string }, S["Enrolment"]> };
  "/v1/me/enrolments/confirm": {
    post: Send<{ ceremony: string; code?: string; second_code?: string; registration?: unknown }, S["Enrolled"]>;
  };
  "/v1/me/authenticators/{id}": {
    patch: Send<{ label?: string; default?: boolean }, Empty, ById>;
    delete: Read<Empty, never, ById>;
  };
  "/v1/me/recovery-codes": { post: Ask<{ recovery_codes: string[] }> };
  "/v1/me/password": { put: Send<{ password: string }, Empty> };
  "/v1/me/events": { get: Read<List<S["MyEvent"]>, Page> };
  "/v1/me/not-me": { post: Send<{ reference: string }, Empty> };
  "/v1/me/bypass": { post: Ask<S["BypassView"]> };
  "/v1/me/sessions": { get: Read<List<S["SessionItem"]>> };
  "/v1/me/sessions/{id}": { delete: Read<Empty, never, ById> };

  "/v1/dashboard": { get: Read<S["Dashboard"], { since?: string }> };
  "/v1/events": { get: Read<S["EventPage"], S["EventQuery"]> };
  "/v1/events/{reference}": { get: Read<S["WhyView"], never, { reference: string }> };
  "/v1/outcomes": { get: Read<List<S["OutcomeView"]>> };
  "/v1/accounts": {
    get: Read<List<S["AccountView"]>, Page & { q?: string; group?: string; role?: string; state?: string }>;
    post: Send<S["NewAccount"], S["AccountView"]>;
  };
  "/v1/accounts/{name}": {
    get: Read<S["AccountView"], never, Named>;
    patch: Send<{ name?: string; aliases?: string[]; groups?: string[] }, S["AccountView"], Named>;
    delete: Read<Empty, never, Named>;
  };
  "/v1/accounts/{name}/enable": { post: Ask<S["AccountView"], Named> };
  "/v1/accounts/{name}/disable": { post: Ask<S["AccountView"], Named> };
  "/v1/accounts/{name}/block": { post: Send<{ reason: string; until?: string }, S["AccountView"], Named> };
  "/v1/accounts/{name}/unblock": { post: Ask<S["AccountView"], Named> };
  "/v1/accounts/{name}/unlock": { post: Ask<S["AccountView"], Named> };
  "/v1/accounts/{name}/password": { post: Send<{ password: string }, Empty, Named> };
  "/v1/accounts/{name}/role": { post: Send<{ role: string }, S["AccountView"], Named> };
  "/v1/accounts/{name}/invitations": { post: Send<{ kind: "link" | "code"; replace?: boolean }, S["Invitation"], Named> };
  "/v1/accounts/{name}/recovery-codes": { post: Ask<S["BoundView"], Named> };
  "/v1/accounts/{name}/sessions": { get: Read<List<S["SessionItem"]>, never, Named> };
  "/v1/accounts/{name}/bypass": {
    get: Read<S["BypassView"], never, Named>;
    post: Send<{ seconds?: number; reason: string }, S["BypassView"], Named>;
    delete: Read<Empty, never, Named>;
  };
  "/v1/accounts/{name}/authenticators": { post: Send<{ factor: string; label?: string }, S["BoundView"], Named> };
  "/v1/bypasses": { get: Read<List<S["BypassView"]>> };
  "/v1/authenticators": { get: Read<List<S["AuthenticatorView"]>, Page> };
  "/v1/authenticators/{id}": { delete: Read<Empty, never, ById> };
  "/v1/authenticators/{id}/assign": { post: Send<{ account: string }, S["AuthenticatorView"], ById> };
  "/v1/authenticators/{id}/resync": { post: Send<{ first: string; second: string }, Empty, ById> };
  "/v1/authenticators/import": { post: Send<{ file: string; key?: string; passphrase?: string }, S["ImportReport"]> };
  "/v1/sessions": { get: Read<List<S["SessionItem"]>, Page> };
  "/v1/sessions/{id}": { delete: Read<Empty, never, ById> };
  "/v1/applications": { get: Read<List<S["Application"]>>; post: Send<Named, S["Application"]> };
  "/v1/applications/{name}": { delete: Read<Empty, never, Named> };
  "/v1/groups": {
    get: Read<List<S["Group"]>>;
    post: Send<{ name: string; attributes?: S["ReplyAttribute"][] }, S["Group"]>;
  };
  "/v1/groups/{name}": { delete: Read<Empty, never, Named> };
  "/v1/clients": { get: Read<List<S["ClientView"]>>; post: Send<S["NewClient"], S["NewClientView"]> };
  "/v1/clients/{name}": {
    get: Read<S["ClientView"], never, Named>;
    patch: Send<S["ClientChange"], S["ClientView"], Named>;
    delete: Read<Empty, never, Named>;
  };
  "/v1/clients/{name}/rotate": { post: Send<{ secret?: string }, { secret?: string }, Named> };
  "/v1/clients/{name}/rotate-finish": { post: Ask<S["ClientView"], Named> };
  "/v1/clients/{name}/patience": { get: Read<S["PatienceView"], never, Named> };
  "/v1/rules": { get: Read<List<S["RuleView"]>>; post: Send<S["NewRule"], S["RuleView"]> };
  "/v1/rules/{name}": {
    get: Read<S["RuleView"], never, Named>;
    patch: Send<S["RuleChange"], S["RuleView"], Named>;
    delete: Read<Empty, never, Named>;
  };
  "/v1/rules/{name}/move": { post: Send<S["RulePlace"], S["RuleView"], Named> };
  "/v1/rules/dry-run": { post: Send<{ rules: S["NewRule"][]; days: number }, S["DryRun"]> };
  "/v1/trusted-ips": { get: Read<List<S["TrustedIPView"]>>; post: Send<S["NewTrustedIP"], S["TrustedIPView"]> };
  "/v1/trusted-ips/{id}": { delete: Read<Empty, never, ById> };
  "/v1/cache-rules": { get: Read<List<S["CacheRuleView"]>>; post: Send<S["NewCacheRule"], S["CacheRuleView"]> };
  "/v1/cache-rules/{application}": { delete: Read<Empty, never, { application: string }> };
  "/v1/cache/purge": { post: Send<{ account?: string; application?: string }, { purged?: number }> };
  "/v1/exemptions": { get: Read<List<S["ExemptionView"]>> };
  "/v1/explain": { post: Send<S["Question"], List<S["ExplainView"]>> };
  "/v1/roles": {
    get: Read<List<S["RoleView"]>>;
    post: Send<{ name: string; permissions: string[] }, S["RoleView"]>;
  };
  "/v1/roles/{name}": {
    patch: Send<{ permissions: string[] }, S["RoleView"], Named>;
    delete: Read<Empty, never, Named>;
  };
  "/v1/permissions": { get: Read<List<S["PermissionView"]>> };
  "/v1/api-keys": {
    get: Read<List<S["KeyView"]>>;
    post: Send<{ name: string; permissions: string[]; client?: string; expires?: string }, S["NewKeyView"]>;
  };
  "/v1/api-keys/{name}": { delete: Read<Empty, never, Named> };
  "/v1/acts": {
    get: Read<List<S["Act"]>, Page & { actor?: string; action?: string; subject?: string; since?: string; until?: string }>;
  };
  "/v1/system": { get: Read<S["System"]> };
  "/v1/expiring": { get: Read<List<S["Expiring"]>> };
  "/v1/findings": { get: Read<List<S["Finding"]>, { days?: number }> };
  "/v1/findings/apply": { post: Send<{ id: string; days?: number }, S["Finding"]> };
  "/v1/reports/{report}": {
    get: Read<S["Report"], Page & { since?: string; until?: string; format?: string }, { report: string }>;
  };
  "/v1/test-logins": {
    post: Send<{ client: string; name: string; password?: string; code?: string; state?: string; from?: string }, S["TestLogin"]>;
  };
}

export interface components {
  schemas: {
    Problem: { type: string; title: string; detail: string; hint?: string; status: number; errors?: { location?: string; message?: string }[] };
    Config: { issuer: string; version: string; needs_set_up: boolean; url: string; languages: string[] };
    SignIn: {
      verdict: "accept" | "challenge" | "reject" | "unavailable";
      message: string;
      reference?: string;
      ask?: "code" | "passkey";
      state?: string;
      options?: unknown;
      session?: components["schemas"]["SessionView"];
      redirect?: string;
    };
    SessionView: {
      account: string;
      name: string;
      client: string;
      factor: string;
      role?: string;
      permissions: string[];
      enrolling: boolean;
      proven: string;
      created: string;
      expires: string;
      idle_seconds: number;
    };
    SessionItem: {
      id: string;
      account: string;
      client: string;
      factor: string;
      created: string;
      seen: string;
      expires: string;
      source: string;
      agent: string;
      current?: boolean;
    };
    Me: {
      name: string;
      role?: string;
      has_password: boolean;
      authenticators: components["schemas"]["AuthenticatorView"][];
      recovery_codes_left?: number;
      has_recovery_codes: boolean;
      may_bypass: boolean;
      bypass_seconds?: number;
      bypass?: components["schemas"]["BypassView"];
      enrolling: boolean;
      replacing?: boolean;
      enrollable?: string[];
    };
    Enrolment: { ceremony: string; uri?: string; secret?: string; options?: unknown };
    Enrolled: { authenticator: components["schemas"]["AuthenticatorView"]; recovery_codes?: string[] };
    MyEvent: {
      time: string;
      application: string;
      client: string;
      from?: string;
      source?: string;
      verdict: string;
      message: string;
      reference: string;
      factor?: string;
    };
    AuthenticatorView: {
      id: string;
      account: string;
      factor: string;
      label: string;
      serial?: string;
      used: boolean;
      used_at?: string;
      default?: boolean;
      created: string;
    };
    BoundView: { id: string; uri?: string; codes?: string[] };
    ImportReport: { added?: number; refused?: { serial?: string; reason: string }[]; [key: string]: unknown };
    Invitation: { secret?: string; link?: string; code?: string; expires: string };
    FailuresView: { password: number; code: number; waiting_until?: string; stopped: boolean };
    BypassView: { account: string; from: string; until: string; live: boolean; reason: string; actor: string };
    AccountView: {
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
      authenticators?: components["schemas"]["AuthenticatorView"][];
      failures?: components["schemas"]["FailuresView"];
      bypass?: components["schemas"]["BypassView"];
    };
    NewAccount: { name: string; aliases?: string[]; groups?: string[]; password?: string; password_hash?: string };
    EventQuery: {
      cursor?: string;
      limit?: number;
      account?: string;
      application?: string;
      client?: string;
      door?: string;
      outcome?: string;
      verdict?: string;
      factor?: string;
      rule?: string;
      source?: string;
      stage?: string;
      at_fault?: boolean;
      since?: string;
      until?: string;
    };
    EventPage: { items: components["schemas"]["EventView"][]; next?: string; back?: string };
    EventView: {
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
    };
    Step: { stage: string; ok: boolean; took_ns: number; note: string };
    WhyView: components["schemas"]["EventView"] & {
      authenticator?: string;
      stage: string;
      person: string;
      help_desk: string;
      administrator: string;
      remedy: string;
      mfa_at_fault: boolean;
      trace: components["schemas"]["Step"][];
      remarks?: string[];
    };
    OutcomeView: {
      outcome: string;
      code: number;
      label: string;
      stage: string;
      verdict: string;
      person?: string;
      help_desk?: string;
      administrator?: string;
      remedy?: string;
      at_fault?: boolean;
      [key: string]: unknown;
    };
    Dashboard: {
      since: string;
      hours: { hour: string; accepted: number; refused: number; waiting: number; faults: number }[];
      causes: { outcome: string; code: number; label: string; count: number; at_fault: boolean }[];
      methods: { factor: string; count: number }[];
      applications: { application: string; accepted: number; refused: number }[];
      accounts: { all: number; enrolled: number; disabled: number; blocked: number };
      attention: { kind: string; title: string; detail: string; severity: "critical" | "warning" | "info"; link: string }[];
      expiring: components["schemas"]["Expiring"][];
      took_p50_us?: number;
      took_p95_us?: number;
      took_p99_us?: number;
    };
    Expiring: { what: string; name: string; at: string; link?: string };
    Application: { name: string; created: string };
    ReplyAttribute: { name: string; value: string };
    Group: { name: string; attributes?: components["schemas"]["ReplyAttribute"][]; created: string };
    ClientView: {
      name: string;
      door?: "radius" | "https";
      application: string;
      source: string;
      mode: string;
      password: string;
      origin: string;
      lax: boolean;
      rate_per_second: number;
      attributes: string[];
      origins?: string[];
      secrets: number;
      warnings: string[];
      created: string;
    };
    NewClient: {
      name: string;
      application: string;
      door?: "radius" | "https";
      source?: string;
      secret?: string;
      mode?: string;
      password?: string;
      origin?: string;
      lax?: boolean;
      rate_per_second?: number;
      attributes?: components["schemas"]["ReplyAttribute"][];
      origins?: string[];
    };
    NewClientView: { client: components["schemas"]["ClientView"]; secret?: string };
    ClientChange: {
      application?: string;
      source?: string;
      mode?: string;
      password?: string;
      origin?: string;
      lax?: boolean;
      rate_per_second?: number;
      attributes?: components["schemas"]["ReplyAttribute"][];
      origins?: string[];
    };
    PatienceView: {
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
      turns: { from: string; to: string; count: number; after_ms: number }[];
      timeout_ms: number;
      warnings: string[];
    };
    RuleTerms: {
      applications?: string[];
      clients?: string[];
      groups?: string[];
      sources?: string[];
      holding?: string[];
      times?: string[];
      need?: string;
      methods?: string[];
      unenrolled?: string;
      challenge_seconds?: number;
      wait_seconds?: number;
      attributes?: components["schemas"]["ReplyAttribute"][];
    };
    RulePlace: { place?: number; before?: string; after?: string };
    NewRule: { name: string } & components["schemas"]["RulePlace"] & components["schemas"]["RuleTerms"];
    RuleChange: { new_name?: string } & components["schemas"]["RuleTerms"];
    RuleView: {
      place: number;
      name: string;
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
      weakens: string[];
      warnings: string[];
      created?: string;
      built_in?: boolean;
    };
    DryRun: {
      logins: number;
      otherwise: number;
      since: string;
      truncated: boolean;
      changes: {
        from_rule: string;
        to_rule: string;
        from: string;
        to: string;
        count: number;
        examples: { reference: string; account: string; application: string }[];
      }[];
    };
    TrustedIPView: { id: string; application: string; range: string; note?: string; warnings: string[]; created: string };
    NewTrustedIP: { application: string; range: string; note?: string; wide?: boolean };
    CacheRuleView: { id: string; application: string; type: string; seconds: number; code: number; warnings: string[]; created: string };
    NewCacheRule: { application: string; type: string; seconds: number };
    ExemptionView: { kind: string; what: string; since: string; until?: string; end: string };
    Question: { account: string; application?: string; client?: string; ip?: string; at?: string };
    ExplainView: {
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
      trace: components["schemas"]["Step"][];
    };
    RoleView: { name: string; permissions: string[]; builtin: boolean; accounts: number };
    PermissionView: { name: string; title?: string; help?: string };
    KeyView: { name: string; permissions: string[]; client?: string; created: string; expires?: string; used?: string };
    NewKeyView: components["schemas"]["KeyView"] & { secret: string };
    Act: {
      seq: number;
      time: string;
      actor: string;
      action: string;
      subject: string;
      detail: string;
      before?: string;
      after?: string;
    };
    System: {
      version: string;
      node: string;
      nodes: { name: string; [key: string]: unknown }[];
      checks: { name: string; ok: boolean; error?: string }[];
      audit: Record<string, unknown>;
      settings: { key: string; value: string; help: string }[];
      exemptions: number;
    };
    Finding: {
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
    };
    Report: { columns: { key: string; label: string }[]; items: Record<string, unknown>[]; next?: string };
    TestLogin: {
      verdict: string;
      message: string;
      reference?: string;
      state?: string;
      why?: components["schemas"]["WhyView"];
    };
  };
}
