/** A refusal as RFC 9457 writes it, with the hint that Sallyport adds. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  hint?: string;
  errors?: { location?: string; message?: string }[];
}

/** What a call throws that was not answered with success. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.name = "ProblemError";
    this.problem = problem;
  }
  /** Whether the problem is of a kind, for instance "not-found". */
  is(kind: string): boolean {
    return this.problem.type === `/problems/${kind}`;
  }
}

export const stepUpType = "/problems/step-up";

/** Reads the problem of a response, whatever it turned out to hold. */
export async function problemOf(response: Response): Promise<Problem> {
  const fallback: Problem = { type: "about:blank", title: response.statusText || `HTTP ${response.status}`, status: response.status };
  if (!/\bjson\b/.test(response.headers.get("Content-Type") ?? "")) return fallback;
  try {
    const body: unknown = await response.json();
    if (typeof body !== "object" || body === null) return fallback;
    const b = body as Partial<Problem>;
    return {
      type: typeof b.type === "string" ? b.type : fallback.type,
      title: typeof b.title === "string" && b.title ? b.title : fallback.title,
      status: response.status,
      detail: typeof b.detail === "string" ? b.detail : undefined,
      hint: typeof b.hint === "string" ? b.hint : undefined,
      errors: Array.isArray(b.errors) ? b.errors : undefined,
    };
  } catch {
    return fallback;
  }
}

/** The problem behind anything that a call may throw. A network that fails has no words of the server's. */
export function toProblem(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof TypeError) return { type: "/problems/unreachable", title: "unreachable", status: 0 };
  if (error instanceof Error) return { type: "/problems/page", title: error.name, status: 0, detail: error.message };
  return { type: "/problems/page", title: "Error", status: 0, detail: String(error) };
}
