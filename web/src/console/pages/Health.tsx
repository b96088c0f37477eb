import { Alert, Stack, Text } from "@mantine/core";
import type { SystemView } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { isTime } from "../lib/time";
import { Answered, Empty, Facts, Go, Mono, Page, Section, sentence, State, Status, Time } from "../ui/kit";
import { Rows } from "../ui/Rows";

/** Whether everything works that logins depend on. */
export default function Health() {
  const { t, n } = useText();
  const may = useMay();
  const q = useGet<SystemView>("/v1/system", undefined, { enabled: may("system.read"), every: 15_000 });
  return (
    <Page title={t("nav.health")} lead={t("health.lead")} permission="system.read">
      <Answered q={q}>
        {(s) => {
          const bad = (s.checks ?? []).filter((c) => !c.ok);
          const missing = s.nodes.filter((x) => x.missing === true);
          return (
            <>
              <Alert color={bad.length > 0 || missing.length > 0 ? "red" : "green"} title={<Status tone={bad.length > 0 || missing.length > 0 ? "bad" : "ok"}>{t(bad.length > 0 ? "health.bad" : missing.length > 0 ? "health.node_missing" : "health.good", { count: bad.length })}</Status>}>
                {bad.length > 0 ? bad.map((c) => sentence(`${c.name}: ${c.error ?? ""}`)).join(" ") : t("health.good_help")}
              </Alert>
              {isTime(s.rewound) && (
                <Alert color="yellow" title={t("health.rewound")}>
                  {t("health.rewound_help")} <Time at={s.rewound} form="exact" />
                </Alert>
              )}
              <Section title={t("health.checks")} flush>
                <Rows
                  label={t("health.checks")}
                  rows={s.checks ?? []}
                  id={(c) => c.name}
                  empty={<Empty title={t("health.no_checks")} />}
                  columns={[
                    { key: "name", label: t("health.check"), render: (c) => t(`check.${c.name.replaceAll(/[^a-z]+/g, "_")}`, { defaultValue: c.name }) },
                    { key: "ok", label: t("accounts.state"), render: (c) => <Status tone={c.ok ? "ok" : "bad"}>{t(c.ok ? "health.ok" : "health.not_ok")}</Status> },
                    { key: "error", label: t("health.why"), render: (c) => (c.error === undefined || c.error === "" ? "–" : sentence(c.error)) },
                  ]}
                />
              </Section>
              <Section title={t("health.nodes")} lead={t("health.nodes_lead")} flush>
                <Rows
                  label={t("health.nodes")}
                  rows={s.nodes}
                  id={(x) => x.name}
                  columns={[
                    {
                      key: "name",
                      label: t("health.node"),
                      render: (x) => (
                        <>
                          {x.name} {x.name === s.node && <State color="green">{t("health.this_node")}</State>}
                        </>
                      ),
                    },
                    { key: "version", label: t("health.version"), render: (x) => <Mono>{x.version}</Mono> },
                    { key: "since", label: t("health.since"), render: (x) => <Time at={x.since} /> },
                    { key: "seen", label: t("health.seen"), render: (x) => (x.missing === true ? <Status tone="bad"><Time at={x.seen} /></Status> : <Time at={x.seen} />) },
                  ]}
                />
              </Section>
              <Section title={t("health.audit")} lead={t("health.audit_lead")}>
                <Audit audit={s.audit} />
              </Section>
              <Section title={t("health.installation")}>
                <Facts
                  facts={[
                    [t("health.version"), s.version],
                    [t("health.node"), s.node],
                    [t("health.events"), s.events === undefined ? undefined : n(s.events)],
                    [t("overview.accounts"), s.accounts === undefined ? undefined : n(s.accounts)],
                    [t("exemptions.title"), s.exemptions === undefined ? undefined : <Go key="e" to="/console/exemptions">{n(s.exemptions)}</Go>],
                  ]}
                />
              </Section>
            </>
          );
        }}
      </Answered>
    </Page>
  );
}

/** What is known of the chain of events and of the exports, whatever there is of it. */
function Audit({ audit }: { audit: Record<string, unknown> | undefined }) {
  const { t, n } = useText();
  if (audit === undefined || Object.keys(audit).length === 0) return <Text c="dimmed">{t("health.no_audit")}</Text>;
  const show = (v: unknown): React.ReactNode => {
    if (v === null || v === undefined || v === "") return "–";
    if (typeof v === "number") return n(v);
    if (typeof v === "boolean") return t(v ? "yes" : "no");
    if (typeof v === "string") return isTime(v) && /^\d{4}-/.test(v) ? <Time at={v} /> : v;
    if (Array.isArray(v))
      return v.length === 0 ? (
        t("none")
      ) : (
        <Stack gap={4}>
          {v.map((x, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines of a record that is shown as it is
            <div key={i}>{show(x)}</div>
          ))}
        </Stack>
      );
    return (
      <span>
        {Object.entries(v as Record<string, unknown>)
          .filter(([, x]) => x !== null && x !== "" && x !== undefined)
          .map(([k, x], i) => (
            <span key={k}>
              {i > 0 && ", "}
              {t(`field.${k}`, { defaultValue: k.replaceAll("_", " ") })}: {show(x)}
            </span>
          ))}
      </span>
    );
  };
  return <Facts facts={Object.entries(audit).map(([k, v]) => [t(`field.${k}`, { defaultValue: k.replaceAll("_", " ") }), show(v)])} />;
}
