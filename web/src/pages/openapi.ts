// Reads as much of OpenAPI 3.1 as our own description uses.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  enum?: unknown[];
  examples?: unknown[];
  default?: unknown;
  additionalProperties?: boolean | Schema;
  allOf?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
}

interface Media {
  schema?: Schema;
}

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: Schema;
}

interface RawOperation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: Parameter[];
  requestBody?: { content?: Record<string, Media> };
  responses?: Record<string, { content?: Record<string, Media> }>;
  "x-permission"?: string;
  "x-audience"?: string;
  "x-step-up"?: boolean;
}

export interface Description {
  info: { title: string; version: string; description?: string };
  paths?: Record<string, Record<string, RawOperation>>;
  components?: { schemas?: Record<string, Schema> };
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  summary: string;
  description?: string;
  permission?: string;
  audience?: string;
  stepUp: boolean;
  parameters: Parameter[];
  media?: string;
  body?: Schema;
  status?: string;
  answer?: Schema;
}

const methods = ["get", "post", "put", "patch", "delete"];

/** The operations by their tags, in the order of their paths; those that contain all the words of find. */
export function chapters(d: Description, find = ""): { tag: string; operations: Operation[] }[] {
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const byTag = new Map<string, Operation[]>();
  for (const [path, item] of Object.entries(d.paths ?? {})) {
    for (const method of methods) {
      const raw = item[method];
      if (!raw) continue;
      const status = Object.keys(raw.responses ?? {}).find((s) => /^2\d\d$/.test(s));
      const answer = status ? raw.responses?.[status]?.content : undefined;
      const body = raw.requestBody?.content;
      const o: Operation = {
        id: raw.operationId ?? `${method} ${path}`,
        method,
        path,
        summary: raw.summary ?? "",
        description: raw.description,
        permission: raw["x-permission"] || undefined,
        audience: raw["x-audience"],
        stepUp: raw["x-step-up"] ?? false,
        parameters: raw.parameters ?? [],
        media: body ? Object.keys(body)[0] : undefined,
        body: body ? Object.values(body)[0]?.schema : undefined,
        status,
        answer: answer ? Object.values(answer)[0]?.schema : undefined,
      };
      const text = [o.id, method, path, o.summary, o.permission ?? ""].join(" ").toLowerCase();
      if (!words.every((w) => text.includes(w))) continue;
      const tag = raw.tags?.[0] ?? "";
      byTag.set(tag, [...(byTag.get(tag) ?? []), o]);
    }
  }
  return [...byTag].map(([tag, operations]) => ({ tag, operations }));
}

/** Follows references; a description of ours has no circles but through properties. */
export function resolve(d: Description, s: Schema | undefined): Schema {
  let now = s ?? {};
  for (let i = 0; now.$ref && i < 16; i++) {
    now = d.components?.schemas?.[now.$ref.split("/").pop() ?? ""] ?? {};
  }
  return now;
}

function typeOf(s: Schema): string {
  const t = Array.isArray(s.type) ? s.type.find((x) => x !== "null") : s.type;
  return t ?? (s.properties ? "object" : "");
}

/** A schema in a word or two: "string (date-time)", "list of EventView". */
export function shape(d: Description, s: Schema | undefined): string {
  if (!s) return "";
  if (s.$ref) return s.$ref.split("/").pop() ?? "";
  const t = typeOf(s);
  if (t === "array") return `[${shape(d, s.items)}]`;
  if (s.enum) return s.enum.map(String).join(" | ");
  return s.format ? `${t} (${s.format})` : t;
}

/** A value that the schema describes, with its examples where it has some. */
export function example(d: Description, schema: Schema | undefined, depth = 0): unknown {
  const s = resolve(d, schema);
  if (s.examples?.length) return s.examples[0];
  if (s.default !== undefined) return s.default;
  if (s.enum?.length) return s.enum[0];
  const part = s.allOf ?? s.oneOf ?? s.anyOf;
  if (part?.length) {
    if (s.allOf) return Object.assign({}, ...part.map((p) => example(d, p, depth)));
    return example(d, part[0], depth);
  }
  switch (typeOf(s)) {
    case "string":
      return { "date-time": "2026-05-04T09:30:00Z", uri: "https://example.org/" }[s.format ?? ""] ?? "string";
    case "integer":
    case "number":
      return 1;
    case "boolean":
      return true;
    case "array":
      return depth > 4 ? [] : [example(d, s.items, depth + 1)];
    case "object": {
      if (depth > 4) return {};
      const fields = Object.entries(s.properties ?? {}).filter(([name]) => name !== "$schema");
      return Object.fromEntries(fields.map(([name, f]) => [name, example(d, f, depth + 1)]));
    }
    default:
      return {};
  }
}

/** A command that calls an operation. */
export function curl(d: Description, o: Operation, origin: string): string {
  const query = o.parameters.filter((p) => p.in === "query" && p.required).map((p) => `${p.name}=${String(example(d, p.schema))}`);
  const address = `${origin}${o.path.replace(/[{}]/g, (c) => (c === "{" ? "<" : ">"))}${query.length ? `?${query.join("&")}` : ""}`;
  const lines = [`curl ${o.method === "get" ? "" : `-X ${o.method.toUpperCase()} `}'${address}'`];
  if (o.audience === "administrator" || o.audience === "program") lines.push(`  -H 'Authorization: Bearer spk_…'`);
  if (o.body && o.media === "multipart/form-data") lines.push("  -F 'files=@sign-in.log'");
  else if (o.body) {
    lines.push(`  -H 'Content-Type: application/json'`);
    lines.push(`  -d '${JSON.stringify(example(d, o.body)).replace(/'/g, "'\\''")}'`);
  }
  return lines.join(" \\\n");
}
