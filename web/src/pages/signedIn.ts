import { useEffect } from "react";
import { type Area, toProblem, useApi } from "~/api";

// The session's cookie is out of a page's sight. Whether it is worth asking for
// the session is kept beside it, so that nobody who comes for the first time
// asks in vain: browsers write down every refusal as an error of the page.
const key = (area: Area) => `sallyport.signed-in.${area}`;

/** Notes that a session has begun in this browser. */
export function noteSession(area: Area): void {
  try {
    localStorage.setItem(key(area), "1");
  } catch {
    // It will be asked for in vain, then.
  }
}

/** Notes that it has ended. */
export function forgetSession(area: Area): void {
  try {
    localStorage.removeItem(key(area));
  } catch {
    // As above.
  }
}

function mayBeSignedIn(area: Area): boolean {
  try {
    return localStorage.getItem(key(area)) !== null;
  } catch {
    return true;
  }
}

/**
 * The session at an area, for pages that go on where somebody was and that
 * everybody else may open too. It is asked for only where one may have begun.
 */
export function useOwnSession(area: Area) {
  const session = useApi(
    "/v1/session",
    { params: { query: { client: area } } },
    { retry: false, staleTime: 60_000, refetchOnWindowFocus: true, enabled: mayBeSignedIn(area) },
  );
  const over = session.error !== null && toProblem(session.error).status === 401;
  useEffect(() => {
    if (over) forgetSession(area);
  }, [over, area]);
  return session;
}
