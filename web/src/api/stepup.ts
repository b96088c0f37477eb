import { acceptLanguage } from "~/i18n";
import { ProblemError, problemOf, stepUpType } from "./problem";

/** Asks the person to prove themselves anew; resolves to whether they did. */
export type StepUp = () => Promise<boolean>;

let ask: StepUp | undefined;
let open: Promise<boolean> | undefined;

/** Says who asks. The step-up dialog does so once; tests may too. */
export function setStepUp(f: StepUp | undefined): void {
  ask = f;
  open = undefined;
}

/** However many calls need it at once, people are asked once. */
function stepUp(): Promise<boolean> {
  if (!ask) return Promise.resolve(false);
  open ??= ask().finally(() => {
    open = undefined;
  });
  return open;
}

/**
 * A fetch that throws a ProblemError for every refusal, and that asks for a
 * step-up and repeats the call, once, if that is what the refusal was for. The
 * server's sentences come in the reader's language.
 */
export async function callingFetch(request: Request, send: typeof fetch = fetch): Promise<Response> {
  request.headers.set("Accept-Language", acceptLanguage());
  const again = request.clone();
  const response = await send(request);
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.type !== stepUpType || !(await stepUp())) throw new ProblemError(problem);
  const second = await send(again);
  if (second.ok) return second;
  throw new ProblemError(await problemOf(second));
}
