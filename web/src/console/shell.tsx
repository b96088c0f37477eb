// The frame of the console: where one can go, the look-up box, and who is
// signed in.
import { Menu } from "@mantine/core";
import {
  IconActivityHeartbeat,
  IconAlertSquareRounded,
  IconApps,
  IconBolt,
  IconCalendarDue,
  IconClipboardText,
  IconDeviceDesktop,
  IconDeviceMobile,
  IconFileAnalytics,
  IconFileSearch,
  IconHistory,
  IconKey,
  IconLayoutDashboard,
  IconListDetails,
  IconLogin2,
  IconNetwork,
  IconQuestionMark,
  IconRoute,
  IconSettings,
  IconShieldHalf,
  IconUser,
  IconUserCog,
  IconUsers,
  IconUsersGroup,
} from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Outlet } from "@tanstack/react-router";
import { toProblem } from "~/api";
import { type Found, LookUp } from "~/ui/LookUp";
import { Frame, type NavGroup } from "~/ui/Shell";
import { call, part } from "./api/call";
import type { AccountView, Page, SessionView } from "./api/types";
import { SessionProvider, useGet, useMay, useText } from "./core";
import { ConfirmProvider } from "./ui/confirm";
import { Fault, Waiting } from "./ui/kit";

interface Place {
  to: string;
  text: string;
  permission: string;
  icon: typeof IconUsers;
}

/** Where one can go. What the role may not see is not there. */
export const places: { text: string; places: Place[] }[] = [
  { text: "nav.overview", places: [{ to: "/console", text: "nav.dashboard", permission: "event.read", icon: IconLayoutDashboard }] },
  {
    text: "nav.sign_ins",
    places: [
      { to: "/console/sign-ins", text: "nav.log", permission: "event.read", icon: IconListDetails },
      { to: "/console/findings", text: "nav.findings", permission: "report.read", icon: IconAlertSquareRounded },
      { to: "/console/diagnosis", text: "nav.diagnosis", permission: "diagnose", icon: IconFileSearch },
      { to: "/console/test", text: "nav.test", permission: "login.test", icon: IconLogin2 },
    ],
  },
  {
    text: "nav.people",
    places: [
      { to: "/console/accounts", text: "nav.accounts", permission: "account.read", icon: IconUsers },
      { to: "/console/groups", text: "nav.groups", permission: "settings.read", icon: IconUsersGroup },
      { to: "/console/tokens", text: "nav.tokens", permission: "authenticator.read", icon: IconDeviceMobile },
      { to: "/console/bypasses", text: "nav.bypasses", permission: "bypass.read", icon: IconBolt },
    ],
  },
  {
    text: "nav.applications",
    places: [{ to: "/console/applications", text: "nav.applications_clients", permission: "settings.read", icon: IconApps }],
  },
  {
    text: "nav.policy",
    places: [
      { to: "/console/rules", text: "nav.rules", permission: "policy.read", icon: IconRoute },
      { to: "/console/trusted-ips", text: "nav.trusted", permission: "policy.read", icon: IconNetwork },
      { to: "/console/cache", text: "nav.cache", permission: "policy.read", icon: IconHistory },
      { to: "/console/exemptions", text: "nav.exemptions", permission: "policy.read", icon: IconShieldHalf },
      { to: "/console/explain", text: "nav.explain", permission: "policy.explain", icon: IconQuestionMark },
    ],
  },
  {
    text: "nav.system",
    places: [
      { to: "/console/acts", text: "nav.acts", permission: "act.read", icon: IconClipboardText },
      { to: "/console/reports", text: "nav.reports", permission: "report.read", icon: IconFileAnalytics },
      { to: "/console/health", text: "nav.health", permission: "system.read", icon: IconActivityHeartbeat },
      { to: "/console/expiring", text: "nav.expiring", permission: "system.read", icon: IconCalendarDue },
      { to: "/console/roles", text: "nav.roles", permission: "role.read", icon: IconUserCog },
      { to: "/console/api-keys", text: "nav.keys", permission: "apikey.read", icon: IconKey },
      { to: "/console/sessions", text: "nav.sessions", permission: "session.read", icon: IconDeviceDesktop },
      { to: "/console/settings", text: "nav.settings", permission: "system.read", icon: IconSettings },
    ],
  },
];

export default function Shell() {
  const session = useGet<SessionView>("/v1/session", { client: "console" }, { every: 60_000 });
  // Whoever keeps the queries leads to the sign-in page and back (App.tsx), as for every other call.
  const over = session.error !== null && toProblem(session.error).status === 401;
  if (session.data !== undefined && !over) {
    return (
      <SessionProvider value={session.data}>
        <ConfirmProvider>
          <Within session={session.data} />
        </ConfirmProvider>
      </SessionProvider>
    );
  }
  if (session.error !== null && !over) return <Fault error={session.error} retry={() => void session.refetch()} />;
  return <Waiting />;
}

function Within({ session }: { session: SessionView }) {
  const { t } = useText();
  const may = useMay();
  const cache = useQueryClient();
  const nav: NavGroup[] = places
    .map((g) => ({
      title: t(g.text),
      items: g.places
        .filter((p) => may(p.permission))
        .map((p) => ({ to: p.to, label: t(p.text), icon: p.icon, exact: p.to === "/console" })),
    }))
    .filter((g) => g.items.length > 0);
  const pages: Found[] = [
    ...nav.flatMap((g) => g.items.map((i) => ({ key: i.to, title: i.label, detail: g.title, icon: i.icon as Found["icon"], to: i.to }))),
    ...(may("settings.write")
      ? [{ key: "add-vpn", title: t("task.vpn"), detail: t("nav.applications"), icon: IconApps, to: "/console/applications/add" }]
      : []),
    ...(may("account.write")
      ? [{ key: "add-person", title: t("accounts.add"), detail: t("nav.people"), icon: IconUser, to: "/console/accounts/add" }]
      : []),
  ];
  const search = async (text: string, signal: AbortSignal): Promise<Found[]> => {
    if (!may("account.read")) return [];
    const found = await call<Page<AccountView>>("GET", "/v1/accounts", { query: { q: text, limit: 6 }, signal });
    return found.items.map((a) => ({
      key: `account ${a.id}`,
      title: a.name,
      detail: !a.enabled ? t("account.disabled") : a.blocked ? t("account.blocked") : a.aliases.join(", "),
      icon: IconUser,
      to: `/console/accounts/${part(a.name)}`,
    }));
  };
  const out = async () => {
    await call("DELETE", "/v1/session", { query: { client: "console" } }).catch(() => undefined);
    cache.clear();
    location.assign("/sign-in?client=console");
  };
  const role = session.role ?? "";
  return (
    <Frame
      area={t("shell.area")}
      home="/console"
      nav={nav}
      account={session.name ?? session.account}
      accountNote={t("shell.role", { role: t(`role.name.${role}`, { defaultValue: role }) })}
      onSignOut={() => void out()}
      menu={
        <>
          <Menu.Item component="a" href="/portal" leftSection={<IconUser size={16} aria-hidden />}>
            {t("shell.portal")}
          </Menu.Item>
          <Menu.Item component="a" href="/reference/api" leftSection={<IconFileAnalytics size={16} aria-hidden />}>
            {t("shell.api")}
          </Menu.Item>
        </>
      }
      lookup={
        <LookUp
          pages={pages}
          reference={may("event.read") ? (r) => `/console/sign-ins/${r}` : undefined}
          search={search}
          placeholder={t("shell.lookup")}
        />
      }
    >
      <Outlet />
    </Frame>
  );
}
