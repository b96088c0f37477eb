import { Button, Group } from "@mantine/core";
import {
  type AnyRoute,
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { Suspense } from "react";
import { useTranslation } from "react-i18next";
import { CentrePage, Loading, ProblemNote } from "./ui";

// Every page is a chunk of its own: nobody loads the console to sign in.

function Root() {
  return (
    <Suspense fallback={<Loading label="…" />}>
      <Outlet />
    </Suspense>
  );
}

function Missing() {
  const { t } = useTranslation();
  return (
    <CentrePage title={t("ui.missing.title")} lead={t("ui.missing.what")}>
      <Group>
        <Button component="a" href="/portal" variant="default">
          {t("ui.missing.portal")}
        </Button>
        <Button component="a" href="/console" variant="default">
          {t("ui.missing.console")}
        </Button>
      </Group>
    </CentrePage>
  );
}

function Broken({ error, reset }: ErrorComponentProps) {
  const { t } = useTranslation();
  return (
    <CentrePage title={t("ui.broken.title")} lead={t("ui.broken.what")}>
      <ProblemNote error={error} onRetry={reset} />
    </CentrePage>
  );
}

const root = createRootRoute({ component: Root, notFoundComponent: Missing, errorComponent: Broken });

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/portal", replace: true });
  },
});

const page = (path: string, load: () => Promise<Record<string, unknown>>, name: string): AnyRoute =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load as never, name) });

const portal = createRoute({
  getParentRoute: () => root,
  path: "/portal",
  component: lazyRouteComponent(() => import("./pages/portal/Portal"), "Portal"),
});
const inPortal = (path: string, load: () => Promise<Record<string, unknown>>, name: string): AnyRoute =>
  createRoute({ getParentRoute: () => portal, path, component: lazyRouteComponent(load as never, name) });

// The console brings its own table of routes.
const consoles = import.meta.glob<{ consoleRoutes: (root: AnyRoute) => AnyRoute }>("./console/routes.tsx", { eager: true });

const tree = root.addChildren([
  home,
  page("/sign-in", () => import("./pages/SignIn"), "SignInPage"),
  page("/set-up", () => import("./pages/setup/SetUp"), "SetUpPage"),
  page("/enrol", () => import("./pages/enrol/Enrol"), "EnrolPage"),
  page("/reference/api", () => import("./pages/ApiReference"), "ApiReferencePage"),
  portal.addChildren([
    inPortal("/", () => import("./pages/portal/Home"), "HomePage"),
    inPortal("/add", () => import("./pages/portal/Add"), "AddPage"),
    inPortal("/pin", () => import("./pages/portal/Pin"), "PinPage"),
    inPortal("/history", () => import("./pages/portal/History"), "HistoryPage"),
    inPortal("/sessions", () => import("./pages/portal/Sessions"), "SessionsPage"),
  ]),
  ...Object.values(consoles).map((c) => c.consoleRoutes(root)),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  defaultPendingComponent: () => <Loading />,
  scrollRestoration: true,
});
