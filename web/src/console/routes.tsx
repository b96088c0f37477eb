// The console's addresses. Each page is a chunk of its own.
import { type AnyRoute, createRoute, lazyRouteComponent } from "@tanstack/react-router";

type Load = () => Promise<{ default: React.ComponentType }>;

const pages: Record<string, Load> = {
  "/": () => import("./pages/Overview"),
  "/sign-ins": () => import("./pages/SignIns"),
  "/sign-ins/$reference": () => import("./pages/SignIn"),
  "/findings": () => import("./pages/Findings"),
  "/diagnosis": () => import("./pages/Diagnosis"),
  "/test": () => import("./pages/Test"),
  "/accounts": () => import("./pages/Accounts"),
  "/accounts/add": () => import("./pages/AddAccount"),
  "/accounts/$name": () => import("./pages/Account"),
  "/groups": () => import("./pages/Groups"),
  "/tokens": () => import("./pages/Tokens"),
  "/bypasses": () => import("./pages/Bypasses"),
  "/applications": () => import("./pages/Applications"),
  "/applications/add": () => import("./pages/AddVPN"),
  "/clients": () => import("./pages/Applications"),
  "/clients/$name": () => import("./pages/Client"),
  "/rules": () => import("./pages/Rules"),
  "/rules/add": () => import("./pages/Rule"),
  "/rules/$name": () => import("./pages/Rule"),
  "/trusted-ips": () => import("./pages/TrustedIPs"),
  "/cache": () => import("./pages/Cache"),
  "/exemptions": () => import("./pages/Exemptions"),
  "/explain": () => import("./pages/Explain"),
  "/acts": () => import("./pages/Acts"),
  "/reports": () => import("./pages/Reports"),
  "/reports/$report": () => import("./pages/Reports"),
  "/health": () => import("./pages/Health"),
  "/system": () => import("./pages/Health"),
  "/expiring": () => import("./pages/ExpiringSoon"),
  "/roles": () => import("./pages/Roles"),
  "/api-keys": () => import("./pages/Keys"),
  "/sessions": () => import("./pages/Sessions"),
  "/settings": () => import("./pages/Settings"),
  "/$": () => import("./pages/Nowhere"),
};

export function consoleRoutes(root: AnyRoute): AnyRoute {
  const shell = createRoute({ getParentRoute: () => root, path: "/console", component: lazyRouteComponent(() => import("./shell")) });
  return shell.addChildren(
    Object.entries(pages).map(([path, load]) => createRoute({ getParentRoute: () => shell, path, component: lazyRouteComponent(load) })),
  );
}
