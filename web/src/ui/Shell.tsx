import { ActionIcon, Burger, Drawer, type MantineColorScheme, Menu, Text, Title, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCheck, IconDeviceDesktop, IconLogout, IconMoon, IconSettings, IconSun, IconUserCircle } from "@tabler/icons-react";
import { Link, useRouterState } from "@tanstack/react-router";
import { type ComponentType, type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { chooseLanguage, type Language, languages } from "~/i18n";

/** The sign of the product. */
export function Brand({ area, to = "/" }: { area?: string; to?: string }) {
  return (
    <Link to={to} className="sp-brand" activeOptions={{ exact: true }}>
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="7" fill="#0e666d" />
        <path d="M6 26V15a10 10 0 0 1 20 0v11h-4V15a6 6 0 0 0-12 0v11z" fill="#fff" />
        <path d="M13 26v-9a3 3 0 0 1 6 0v9z" fill="#7ec7cb" />
      </svg>
      <span>Sallyport</span>
      {area ? <span className="sp-brand-area">{area}</span> : null}
    </Link>
  );
}

const languageNames: Record<Language, string> = { en: "English", de: "Deutsch" };

/** Language and light or dark. */
export function Preferences() {
  const { t, i18n } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const schemes: [MantineColorScheme, ComponentType<{ size?: number }>][] = [
    ["auto", IconDeviceDesktop],
    ["light", IconSun],
    ["dark", IconMoon],
  ];
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("ui.preferences")}>
          <IconSettings size={20} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t("ui.language")}</Menu.Label>
        {languages.map((l) => (
          <Menu.Item
            key={l}
            lang={l}
            aria-current={i18n.language === l || undefined}
            rightSection={i18n.language === l ? <IconCheck size={15} aria-hidden /> : null}
            onClick={() => void chooseLanguage(l)}
          >
            {languageNames[l]}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Label>{t("ui.scheme.label")}</Menu.Label>
        {schemes.map(([s, Icon]) => (
          <Menu.Item
            key={s}
            leftSection={<Icon size={16} />}
            aria-current={colorScheme === s || undefined}
            rightSection={colorScheme === s ? <IconCheck size={15} aria-hidden /> : null}
            onClick={() => setColorScheme(s)}
          >
            {t(`ui.scheme.${s}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

export interface NavItem {
  to: string;
  label: string;
  icon: ComponentType<{ size?: number; "aria-hidden"?: boolean }>;
  /** Current only at this very path, not below it. */
  exact?: boolean;
  /** Pages elsewhere that belong to it. */
  also?: string[];
  extra?: ReactNode;
}

export interface NavGroup {
  title?: string;
  items: NavItem[];
}

interface FrameProps {
  /** "Console", "My sign-in". */
  area: string;
  home: string;
  nav?: NavGroup[];
  /** Name of whom is signed in. */
  account?: string;
  accountNote?: string;
  onSignOut?: () => void;
  /** More lines for the menu behind the name: Menu.Item elements. */
  menu?: ReactNode;
  lookup?: ReactNode;
  /** Stands above every page: a warning that concerns all of them. */
  banner?: ReactNode;
  children: ReactNode;
}

/** The frame of signed-in pages: header, navigation, content. */
export function Frame(props: FrameProps) {
  const { t } = useTranslation();
  const [open, drawer] = useDisclosure(false);
  const path = useRouterState({ select: (s) => s.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: going somewhere closes the drawer
  useEffect(() => drawer.close(), [path]);
  const nav = props.nav?.length ? <Navigation groups={props.nav} /> : null;
  const bar = useRef<HTMLElement>(null);
  const hasNav = nav !== null;
  // The current page's entry is in sight, and the page itself does not move.
  // biome-ignore lint/correctness/useExhaustiveDependencies: going somewhere changes which entry is current
  useEffect(() => {
    const entry = bar.current?.querySelector("[aria-current]")?.getBoundingClientRect();
    if (!hasNav || !bar.current || !entry) return;
    const sight = bar.current.getBoundingClientRect();
    const room = 12;
    if (entry.bottom > sight.bottom - room) bar.current.scrollTop += entry.bottom - sight.bottom + room;
    else if (entry.top < sight.top + room) bar.current.scrollTop -= sight.top - entry.top + room;
  }, [path, hasNav]);
  return (
    <div className="sp-frame" data-plain={nav ? undefined : true}>
      <SkipLink />
      <header className="sp-header">
        {nav ? <Burger hiddenFrom="md" size="sm" opened={open} onClick={drawer.toggle} aria-label={t("ui.menu")} /> : null}
        <Brand area={props.area} to={props.home} />
        <div style={{ flex: 1 }} />
        {props.lookup}
        <Preferences />
        {props.account ? (
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("ui.account.menu", { name: props.account })}>
                <IconUserCircle size={22} aria-hidden />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Label>
                <Text fw={620} c="var(--mantine-color-text)">
                  {props.account}
                </Text>
                {props.accountNote}
              </Menu.Label>
              {props.menu}
              {props.onSignOut ? (
                <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={props.onSignOut}>
                  {t("ui.account.signOut")}
                </Menu.Item>
              ) : null}
            </Menu.Dropdown>
          </Menu>
        ) : null}
      </header>
      {nav ? (
        <>
          <nav className="sp-nav" ref={bar} aria-label={t("ui.navigation")}>
            {nav}
          </nav>
          <Drawer
            opened={open}
            onClose={drawer.close}
            size="17rem"
            title={<Brand area={props.area} to={props.home} />}
            closeButtonProps={{ "aria-label": t("ui.close") }}
            hiddenFrom="md"
          >
            <nav aria-label={t("ui.navigation")}>{nav}</nav>
          </Drawer>
        </>
      ) : null}
      <main className="sp-main" id="main" tabIndex={-1}>
        {props.banner}
        {props.children}
      </main>
    </div>
  );
}

function Navigation({ groups }: { groups: NavGroup[] }) {
  const path = useRouterState({ select: (s) => s.location.pathname });
  return groups.map((g) => (
    <div key={g.title ?? g.items[0]?.to}>
      {g.title ? <div className="sp-nav-title">{g.title}</div> : null}
      <ul className="sp-nav-group">
        {g.items.map((i) => (
          <li key={i.to}>
            {/* The link says by itself whether it is the current page. */}
            <Link
              to={i.to}
              className="sp-nav-link"
              activeOptions={{ exact: i.exact ?? false, includeSearch: false }}
              aria-current={i.also?.includes(path) ? "true" : undefined}
            >
              <i.icon size={18} aria-hidden />
              {i.label}
              {i.extra ? <span className="sp-nav-extra">{i.extra}</span> : null}
            </Link>
          </li>
        ))}
      </ul>
    </div>
  ));
}

function SkipLink() {
  const { t } = useTranslation();
  return (
    // biome-ignore lint/a11y/useValidAnchor: a link to a place on this page, which the router must not take for its own
    <a
      className="sp-skip"
      href="#main"
      onClick={(e) => {
        e.preventDefault();
        document.getElementById("main")?.focus();
      }}
    >
      {t("ui.skip")}
    </a>
  );
}

interface PageProps {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  /** Stands before the title, for instance a link back to the list. */
  before?: ReactNode;
}

/**
 * Puts a page's name into the window's title and moves the focus to its heading
 * when people come to it from another page. A page that has put the focus into a
 * field of its own keeps it there; then its name is to be said instead.
 */
function useArrival(title: string) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [said, setSaid] = useState(false);
  const { t } = useTranslation();
  useEffect(() => {
    document.title = `${title} · ${t("ui.product")}`;
  }, [title, t]);
  useEffect(() => {
    if (arrivals++ === 0) return;
    const h = heading.current;
    const at = document.activeElement;
    if (at?.matches("input, select, textarea") && h?.closest("main")?.contains(at)) setSaid(true);
    else h?.focus({ preventScroll: true });
  }, []);
  // It is there from the beginning, for only what changes in it is read out.
  const announcement = (
    <span className="sp-hidden" role="status">
      {said ? title : ""}
    </span>
  );
  return { heading, announcement };
}
let arrivals = 0; // the first page of a visit keeps the browser's own focus

/** One page: its heading, what can be done with the whole of it, its content. */
export function Page({ title, lead, actions, children, before }: PageProps) {
  const { heading, announcement } = useArrival(title);
  return (
    <>
      {announcement}
      {before}
      <div className="sp-page-head">
        <div>
          <Title order={1} ref={heading} tabIndex={-1}>
            {title}
          </Title>
          {lead ? <p className="sp-page-lead">{lead}</p> : null}
        </div>
        {actions}
      </div>
      {children}
    </>
  );
}

/** A page with one thing in its middle: sign-in, set-up, enrolment. */
export function CentrePage({
  title,
  lead,
  area,
  wide,
  children,
  above,
}: Omit<PageProps, "actions" | "before"> & { area?: string; wide?: boolean; above?: ReactNode }) {
  const { heading, announcement } = useArrival(title);
  return (
    <div className="sp-centre">
      <SkipLink />
      <header className="sp-centre-bar">
        <Brand area={area} />
        <Preferences />
      </header>
      <main className="sp-centre-main" data-wide={wide || undefined} id="main" tabIndex={-1}>
        {announcement}
        {above}
        <div className="sp-centre-card">
          <Title order={1} ref={heading} tabIndex={-1} mb={lead ? 4 : "md"}>
            {title}
          </Title>
          {lead ? (
            <Text c="dimmed" mb="lg">
              {lead}
            </Text>
          ) : null}
          {children}
        </div>
      </main>
    </div>
  );
}
