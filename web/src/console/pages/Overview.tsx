// The dashboard: what happened, what needs somebody, and the five things that
// people come here for.
import { Badge, Button, Group, SimpleGrid, Text } from "@mantine/core";
import {
  IconAlertOctagon,
  IconAlertTriangle,
  IconChevronRight,
  IconDeviceMobile,
  IconHistory,
  IconInfoCircle,
  IconLockOpen2,
  IconUserX,
  IconWorld,
} from "@tabler/icons-react";
import type { Attention, Dashboard } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { A } from "../go";
import { consoleLink } from "../lib/link";
import { Bar, HoursChart } from "../ui/Chart";
import { Answered, Empty, Go, Page, Section, sentence, Time } from "../ui/kit";
import classes from "./Overview.module.css";

const tasks = [
  { key: "why", to: "/console/sign-ins?verdict=reject&within=24h", permission: "event.read", icon: IconUserX },
  { key: "unlock", to: "/console/accounts?state=locked", permission: "account.read", icon: IconLockOpen2 },
  { key: "phone", to: "/console/accounts?task=new-phone", permission: "account.invite", icon: IconDeviceMobile },
  { key: "vpn", to: "/console/applications/add", permission: "settings.write", icon: IconWorld },
  { key: "yesterday", to: "/console/acts?within=yesterday", permission: "act.read", icon: IconHistory },
] as const;

export default function Overview() {
  const { t } = useText();
  const may = useMay();
  const q = useGet<Dashboard>("/v1/dashboard", undefined, { every: 30_000, enabled: may("event.read") });
  const mine = tasks.filter((k) => may(k.permission));
  return (
    <Page title={t("overview.title")} permission="event.read">
      {mine.length > 0 && (
        <nav aria-label={t("overview.tasks")}>
          <ul className={classes.tasks}>
            {mine.map((k) => (
              <li key={k.key}>
                <A to={k.to} className="sp-choice">
                  <k.icon size={22} stroke={1.6} aria-hidden />
                  <span className="sp-choice-title">{t(`task.${k.key}`)}</span>
                </A>
              </li>
            ))}
          </ul>
        </nav>
      )}
      <Answered q={q}>{(d) => <Figures d={d} />}</Answered>
    </Page>
  );
}

function Figures({ d }: { d: Dashboard }) {
  const { t, n, span, language } = useText();
  const failures = d.causes.reduce((sum, c) => sum + c.count, 0);
  const methods = d.methods.reduce((sum, m) => sum + m.count, 0);
  const logins = d.hours.reduce((sum, h) => sum + h.accepted + h.refused + h.faults, 0);
  return (
    <>
      <div className={classes.top}>
        <Section title={t("overview.attention")}>
          <Needs list={d.attention} />
        </Section>
        <Section title={t("overview.people")}>
          <dl className={classes.figures}>
            <Figure label={t("overview.accounts")} value={n(d.accounts.all)} to="/console/accounts" />
            <Figure
              label={t("overview.enrolled")}
              value={n(d.accounts.enrolled)}
              note={percent(d.accounts.enrolled, d.accounts.all, language)}
              to="/console/reports/unenrolled"
            />
            <Figure label={t("overview.blocked")} value={n(d.accounts.blocked)} to="/console/accounts?state=blocked" />
            <Figure label={t("overview.disabled")} value={n(d.accounts.disabled)} to="/console/accounts?state=disabled" />
          </dl>
        </Section>
      </div>
      <Section
        title={t("hours.title")}
        lead={t("overview.hours_lead", { count: logins, n: n(logins) })}
        actions={<Go to="/console/sign-ins">{t("overview.all_logins")}</Go>}
      >
        {logins === 0 && d.hours.every((h) => h.waiting === 0) ? (
          <Empty
            title={t("overview.no_logins")}
            action={
              <Button component={A} to="/console/applications/add" variant="default">
                {t("task.vpn")}
              </Button>
            }
          >
            {t("overview.no_logins_help")}
          </Empty>
        ) : (
          <HoursChart hours={d.hours} />
        )}
      </Section>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md" className={classes.pairs}>
        <Section title={t("overview.causes")} lead={t("overview.causes_lead")}>
          {d.causes.length === 0 ? (
            <Empty title={t("overview.no_causes")} good />
          ) : (
            <ul className={classes.bars}>
              {d.causes.slice(0, 10).map((c) => (
                <li key={c.outcome}>
                  <A to={`/console/sign-ins?outcome=${encodeURIComponent(c.outcome)}&within=24h`}>
                    <span className={classes.what}>
                      {c.label}
                      {c.at_fault && (
                        <Badge size="xs" color="red" ml={6}>
                          {t("overview.at_fault")}
                        </Badge>
                      )}
                    </span>
                    <span className={classes.many}>{n(c.count)}</span>
                    <Bar part={c.count / Math.max(1, failures)} tone="bad" />
                  </A>
                </li>
              ))}
            </ul>
          )}
        </Section>
        <Section title={t("overview.methods")} lead={t("overview.methods_lead")}>
          {d.methods.length === 0 ? (
            <Empty title={t("overview.no_methods")} />
          ) : (
            <ul className={classes.bars}>
              {d.methods.map((m) => (
                <li key={m.factor}>
                  <A to={`/console/sign-ins?factor=${encodeURIComponent(m.factor)}&within=24h`}>
                    <span className={classes.what}>
                      {m.factor === "" ? t("overview.no_factor") : t(`factor.${m.factor}`, { defaultValue: m.factor })}
                    </span>
                    <span className={classes.many}>{n(m.count)}</span>
                    <Bar part={m.count / Math.max(1, methods)} />
                  </A>
                </li>
              ))}
            </ul>
          )}
        </Section>
        <Section title={t("overview.applications")}>
          {d.applications.length === 0 ? (
            <Empty title={t("overview.no_applications")}>{t("overview.no_applications_help")}</Empty>
          ) : (
            <ul className={classes.bars}>
              {d.applications.slice(0, 10).map((a) => (
                <li key={a.application}>
                  <A to={`/console/sign-ins?application=${encodeURIComponent(a.application)}&within=24h`}>
                    <span className={classes.what}>{a.application === "" ? t("overview.no_application") : a.application}</span>
                    <span className={classes.many}>
                      {t("overview.accepted_refused", { accepted: n(a.accepted), refused: n(a.refused) })}
                    </span>
                    <Bar part={a.accepted / Math.max(1, a.accepted + a.refused)} />
                  </A>
                </li>
              ))}
            </ul>
          )}
        </Section>
        <Section title={t("overview.expiring")} actions={<Go to="/console/expiring">{t("overview.all_expiring")}</Go>}>
          {d.expiring.length === 0 ? (
            <Empty title={t("overview.nothing_expires")} good />
          ) : (
            <ul className={classes.plain}>
              {d.expiring.slice(0, 6).map((e) => {
                const to = consoleLink(e.link);
                return (
                  <li key={`${e.what} ${e.name}`}>
                    <div>
                      {to === undefined ? e.name : <Go to={to}>{e.name}</Go>}
                      <Text size="sm" c="dimmed">
                        {t(`expires.${e.what}`, { defaultValue: e.what })}
                      </Text>
                    </div>
                    <Time at={e.at} />
                  </li>
                );
              })}
            </ul>
          )}
        </Section>
      </SimpleGrid>
      <Section title={t("overview.took")} lead={t("overview.took_lead")}>
        <dl className={classes.figures} data-wide>
          {(["p50", "p90", "p95", "p99"] as const).map((p) => {
            const v = d[`took_${p}_us`];
            return v === undefined || v === 0 ? null : <Figure key={p} label={t(`overview.${p}`)} value={span(v)} />;
          })}
        </dl>
      </Section>
    </>
  );
}

function percent(part: number, whole: number, language: string): string | undefined {
  return whole === 0 ? undefined : new Intl.NumberFormat(language, { style: "percent" }).format(part / whole);
}

function Figure(props: { label: string; value: string; note?: string; to?: string }) {
  return (
    <div>
      <dt>{props.to === undefined ? props.label : <Go to={props.to}>{props.label}</Go>}</dt>
      <dd>
        {props.value}
        {props.note !== undefined && <span className={classes.note}> {props.note}</span>}
      </dd>
    </div>
  );
}

const signs = {
  critical: { icon: IconAlertOctagon, tone: "bad" },
  warning: { icon: IconAlertTriangle, tone: "warn" },
  info: { icon: IconInfoCircle, tone: "info" },
} as const;

/** What needs somebody, the most pressing first, each with where it is mended. */
function Needs({ list }: { list: Attention[] }) {
  const { t } = useText();
  if (list.length === 0)
    return (
      <Empty title={t("overview.nothing")} good>
        {t("overview.nothing_help")}
      </Empty>
    );
  return (
    <ul className={classes.needs}>
      {list.map((a) => {
        const s = signs[a.severity] ?? signs.info;
        const to = consoleLink(a.link);
        return (
          <li key={a.kind + a.title}>
            <span className="sp-tone" data-tone={s.tone}>
              <s.icon size={18} aria-hidden />
              <span className="sp-hidden">{t(`severity.${a.severity}`)}: </span>
            </span>
            <div className={classes.need}>
              <Text fw={600}>{sentence(a.title).replace(/\.$/, "")}</Text>
              {a.detail !== "" && (
                <Text size="sm" c="dimmed">
                  {sentence(a.detail)}
                </Text>
              )}
            </div>
            {to !== undefined && (
              <Group className={classes.mend}>
                <Button component={A} to={to} size="compact-sm" variant="default" rightSection={<IconChevronRight size={14} aria-hidden />}>
                  {t("overview.look")}
                  <span className="sp-hidden">: {a.title}</span>
                </Button>
              </Group>
            )}
          </li>
        );
      })}
    </ul>
  );
}
