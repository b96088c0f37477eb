import { Alert, Stack, Text } from "@mantine/core";
import type { AuditStatus, SystemView } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { isTime } from "../lib/time";
import { Answered, Empty, Facts, Go, Mono, Page, Section, State, Status, sentence, Time } from "../ui/kit";
import { Rows } from "../ui/Rows";

/** Whether everything works that logins depend on. */
export default function Health() {
  const { t, n, list } = useText();
  const may = useMay();
  const q = useGet<SystemView>("/v1/system", undefined, { enabled: may("system.read"), every: 15_000 });
  return (
    <Page title={t("nav.health")} lead={t("health.lead")} permission="system.read">
      <Answered q={q}>
        {(s) => {
          const failing = (s.checks ?? []).filter((c) => !c.ok);
          const bad = failing.filter((c) => c.advisory !== true);
          const missing = s.nodes.filter((x) => x.missing === true);
          const tone = bad.length > 0 || missing.length > 0 ? "bad" : failing.length > 0 ? "warn" : "ok";
          const named = (name: string) => t(`check.${name.replaceAll(/[^a-z]+/g, "_")}`, { defaultValue: name });
          const causes = failing.map((c) =>
            sentence(c.error === undefined || c.error === "" ? named(c.name) : `${named(c.name)}: ${c.error}`),
          );
          if (missing.length > 0) causes.push(t("health.missing_help", { nodes: list(missing.map((x) => x.name)) }));
          return (
            <>
              <Alert
                color={tone === "bad" ? "red" : tone === "warn" ? "yellow" : "green"}
                title={
                  <Status tone={tone}>
                    {bad.length > 0
                      ? t("health.bad", { count: bad.length })
                      : missing.length > 0
                        ? t("health.node_missing")
                        : failing.length > 0
                          ? t("health.warned", { count: failing.length })
                          : t("health.good")}
                  </Status>
                }
              >
                {causes.length > 0 ? causes.map((c) => <div key={c}>{c}</div>) : t("health.good_help")}
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
                    {
                      key: "name",
                      label: t("health.check"),
                      render: (c) => named(c.name),
                    },
                    {
                      key: "ok",
                      label: t("accounts.state"),
                      render: (c) => (
                        <Status tone={c.ok ? "ok" : c.advisory === true ? "warn" : "bad"}>{t(c.ok ? "health.ok" : "health.not_ok")}</Status>
                      ),
                    },
                    {
                      key: "error",
                      label: t("health.why"),
                      render: (c) => (c.error === undefined || c.error === "" ? "–" : sentence(c.error)),
                    },
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
                    {
                      key: "seen",
                      label: t("health.seen"),
                      render: (x) =>
                        x.missing === true ? (
                          <Status tone="bad">
                            <Time at={x.seen} />
                          </Status>
                        ) : (
                          <Time at={x.seen} />
                        ),
                    },
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
                    [
                      t("exemptions.title"),
                      s.exemptions === undefined ? undefined : (
                        <Go key="e" to="/console/exemptions">
                          {n(s.exemptions)}
                        </Go>
                      ),
                    ],
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

/** How the record is kept: its anchors, and what leaves this server. */
function Audit({ audit }: { audit: AuditStatus | undefined }) {
  const { t, n, span, kept } = useText();
  if (audit === undefined) return <Text c="dimmed">{t("health.no_audit")}</Text>;
  const exports = audit.exports ?? [];
  return (
    <Stack gap="md">
      <Facts
        facts={[
          [t("health.keep"), audit.keep_events === "0s" || audit.keep_events === "" ? t("health.keep_ever") : kept(audit.keep_events)],
          [t("health.anchor"), audit.anchor_file === "" ? t("health.no_anchor") : <Mono key="a">{audit.anchor_file}</Mono>],
          [t("health.anchored"), audit.anchor_seq === 0 ? undefined : t("health.anchored_is", { n: n(audit.anchor_seq) })],
          [t("health.anchored_at"), isTime(audit.anchor_time) ? <Time key="t" at={audit.anchor_time} /> : undefined],
          [
            t("health.exports"),
            exports.length > 0 ? undefined : (
              <div key="e">
                {t("health.no_exports")}
                <Text size="sm" c="dimmed">
                  {t("health.no_exports_help")}
                </Text>
              </div>
            ),
          ],
        ]}
      />
      {exports.length > 0 && (
        <Rows
          label={t("health.exports")}
          rows={exports}
          id={(e) => e.name}
          columns={[
            { key: "name", label: t("health.export"), render: (e) => e.name },
            { key: "url", label: t("health.to"), render: (e) => <Mono>{e.url}</Mono> },
            {
              key: "state",
              label: t("accounts.state"),
              render: (e) => (
                <Status tone={e.given_up || e.late ? "bad" : "ok"}>
                  {t(e.given_up ? "health.given_up" : e.late ? "health.late" : "health.in_time")}
                </Status>
              ),
            },
            {
              key: "behind",
              label: t("health.behind"),
              render: (e) =>
                e.head > e.position ? t("health.behind_is", { n: n(e.head - e.position), time: span(e.lag_seconds * 1_000_000) }) : "–",
            },
            {
              key: "error",
              label: t("health.last_error"),
              render: (e) => (e.last_error === undefined || e.last_error === "" ? "–" : sentence(e.last_error)),
            },
          ]}
        />
      )}
    </Stack>
  );
}
