// Addresses within the console. They are plain texts, queries included, so that
// links that the server sends are links like any other.
import { useRouter, useRouterState } from "@tanstack/react-router";
import { type AnchorHTMLAttributes, forwardRef, useCallback, useMemo } from "react";

export function useGo(): (href: string, options?: { replace?: boolean }) => void {
  const { history } = useRouter();
  return useCallback(
    (href, options) => {
      if (options?.replace === true) history.replace(href);
      else history.push(href);
    },
    [history],
  );
}

/** The query of the address. */
export function useQueryText(): URLSearchParams {
  const text = useRouterState({ select: (s) => s.location.searchStr });
  return useMemo(() => new URLSearchParams(text), [text]);
}

export function usePath(): string {
  return useRouterState({ select: (s) => s.location.pathname });
}

/** The last part of the address, which names what a page is about. */
export function useName(): string {
  const path = usePath();
  return useMemo(() => {
    const last = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
    try {
      return decodeURIComponent(last);
    } catch {
      return last;
    }
  }, [path]);
}

type Props = AnchorHTMLAttributes<HTMLAnchorElement> & { to: string };

/** A link that does not load the page anew. */
export const A = forwardRef<HTMLAnchorElement, Props>(function A({ to, onClick, ...rest }, ref) {
  const go = useGo();
  return (
    <a
      ref={ref}
      href={to}
      {...rest}
      onClick={(e) => {
        onClick?.(e);
        if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
        if (!to.startsWith("/console")) return;
        e.preventDefault();
        go(to);
      }}
    />
  );
});
