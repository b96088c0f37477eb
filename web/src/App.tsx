import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import i18next from "i18next";
import { Suspense } from "react";
import { signInPath, toProblem } from "./api";
import { router } from "./router";
import { ConfirmHost, Loading, StepUpHost } from "./ui";
import { theme, variables } from "./ui/theme";

/** A session that ended while its page was open: people sign in and come back. */
function ended(error: unknown): void {
  const here = router.state.location;
  if (toProblem(error).status === 401 && /^\/(console|portal)(\/|$)/.test(here.pathname)) {
    void router.navigate({ href: signInPath(here), replace: true });
  }
}

const queries = new QueryClient({
  queryCache: new QueryCache({ onError: ended }),
  mutationCache: new MutationCache({ onError: ended }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What was refused is refused again; what did not arrive may arrive.
      retry: (times, error) => {
        const { status } = toProblem(error);
        return times < 2 && (status === 0 || status === 502 || status === 503 || status === 504);
      },
    },
    mutations: { retry: false },
  },
});

// What the server says is asked for again in the other language.
i18next.on("languageChanged", () => void queries.invalidateQueries());

/** The nonce that the server put into the page, for the styles that are made at run time. */
export function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
}

export function App() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={nonce}>
      <QueryClientProvider client={queries}>
        <Notifications position="bottom-right" containerWidth={400} />
        <Suspense fallback={<Loading label="…" />}>
          <RouterProvider router={router} />
          <ConfirmHost />
          <StepUpHost />
        </Suspense>
      </QueryClientProvider>
    </MantineProvider>
  );
}
