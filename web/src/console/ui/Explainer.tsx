// What would happen if somebody logged in now. Nothing is done, counted or kept.
import { Alert, Badge, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { call } from "../api/call";
import type { Application, ClientView, ExplainView, Page as Listed } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { fromLocal } from "../lib/time";
import { Facts, Fault, Go, Section, Status, sentence, Warnings } from "./kit";
import { Duties, Timeline } from "./trace";

export function Explainer(props: { account?: string; plain?: boolean }) {
  const { t } = useText();
  const may = useMay();
  const [account, setAccount] = useState(props.account ?? "");
  const [where, setWhere] = useState<string | null>(null);
  const [ip, setIP] = useState("");
  const [at, setAt] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  const [views, setViews] = useState<ExplainView[] | undefined>();
  const applications = useGet<Listed<Application>>("/v1/applications", undefined, { enabled: may("settings.read") });
  const clients = useGet<Listed<ClientView>>("/v1/clients", undefined, { enabled: may("settings.read") });
  const choices = [
    {
      group: t("explain.applications"),
      items: (applications.data?.items ?? []).map((a) => ({ value: `application ${a.name}`, label: a.name })),
    },
    {
      group: t("explain.clients"),
      items: (clients.data?.items ?? []).map((c) => ({ value: `client ${c.name}`, label: `${c.name} (${c.application})` })),
    },
  ];
  const ask = async () => {
    const [kind, name] = (where ?? "").split(" ", 2);
    setBusy(true);
    setError(undefined);
    try {
      const answer = await call<Listed<ExplainView>>("POST", "/v1/explain", {
        body: {
          account,
          ...(kind === "client" ? { client: name } : { application: name }),
          ...(ip.trim() === "" ? {} : { ip: ip.trim() }),
          ...(at === "" ? {} : { at: fromLocal(at) }),
        },
      });
      setViews(answer.items);
    } catch (e) {
      setError(e as Error);
      setViews(undefined);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack gap="md">
      <Section title={t("explain.question")} lead={t("explain.lead")}>
        <form
          onSubmit={(e) => {
            e.preventDefault();
            void ask();
          }}
        >
          <div className="sp-filters">
            {props.account === undefined && (
              <TextInput
                label={t("explain.account")}
                description={t("explain.account_help")}
                value={account}
                onChange={(e) => setAccount(e.currentTarget.value)}
                required
                autoComplete="off"
                spellCheck={false}
              />
            )}
            <Select
              label={t("explain.where")}
              description={t("explain.where_help")}
              data={choices}
              value={where}
              onChange={setWhere}
              searchable
              required
              nothingFoundMessage={t("nothing")}
            />
            <TextInput
              label={t("explain.ip")}
              description={t("explain.ip_help")}
              value={ip}
              onChange={(e) => setIP(e.currentTarget.value)}
              placeholder="192.0.2.7"
              autoComplete="off"
              spellCheck={false}
            />
            <TextInput
              label={t("explain.at")}
              description={t("explain.at_help")}
              type="datetime-local"
              value={at}
              onChange={(e) => setAt(e.currentTarget.value)}
            />
          </div>
          <Button type="submit" loading={busy} disabled={account.trim() === "" || where === null}>
            {t("explain.ask")}
          </Button>
        </form>
      </Section>
      <Fault error={error} />
      <div aria-live="polite">
        <Stack gap="md">
          {views?.map((v) => (
            <Answer key={v.client + v.application} v={v} />
          ))}
        </Stack>
      </div>
    </Stack>
  );
}

function Answer({ v }: { v: ExplainView }) {
  const { t, exact } = useText();
  return (
    <Section
      title={v.client === "" ? v.application : t("explain.at_client", { client: v.client })}
      actions={<Badge color={v.possible ? "green" : "red"}>{t(v.possible ? "explain.possible" : "explain.impossible")}</Badge>}
    >
      <Stack gap="md">
        <Alert color={v.possible ? "green" : "red"} title={<Status tone={v.possible ? "ok" : "bad"}>{v.label}</Status>}>
          {sentence(v.answer)}
        </Alert>
        {v.remedy !== undefined && v.remedy !== "" && (
          <div>
            <Text fw={600} mb={4}>
              {t("trace.what_to_do")}
            </Text>
            <Duties remedy={v.remedy} />
          </div>
        )}
        <Facts
          facts={[
            [t("explain.resolved"), v.account === "" ? t("explain.nobody", { name: v.claimant }) : v.account],
            [
              t("event.rule"),
              v.rule === undefined || v.rule === "" ? undefined : (
                <Go key="rule" to={`/console/rules/${encodeURIComponent(v.rule)}`}>
                  {v.rule}
                </Go>
              ),
            ],
            [t("explain.need"), v.need === undefined || v.need === "" ? undefined : t(`rule.need_${v.need}`, { defaultValue: v.need })],
            [
              t("explain.methods"),
              v.methods.length === 0 ? t("explain.no_methods") : v.methods.map((m) => t(`factor.${m}`, { defaultValue: m })).join(", "),
            ],
            [t("explain.exemption"), v.exemption],
            [t("explain.moment"), exact(v.at)],
          ]}
        />
        <Warnings list={v.notes} title={t("explain.notes")} color="blue" />
        <details>
          <summary>
            <Group display="inline-flex">{t("trace.timeline")}</Group>
          </summary>
          <Timeline steps={v.trace} notes />
        </details>
      </Stack>
    </Section>
  );
}
