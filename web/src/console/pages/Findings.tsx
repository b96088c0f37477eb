import { Badge, Code, Group, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { Finding, Page as Listed } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useConfirm } from "../ui/confirm";
import { AccountLink, Answered, Copy, Empty, Facts, Fault, Go, MayButton, Mono, Page, Reference, Section, sentence, Time } from "../ui/kit";
import classes from "./plain.module.css";

/** Causes of trouble that the logins themselves show, and what mends them. */
export default function Findings() {
  const { t } = useText();
  const may = useMay();
  const [days, setDays] = useState("7");
  const q = useGet<Listed<Finding> & { back?: string }>("/v1/findings", { days: Number(days) }, { enabled: may("report.read") });
  return (
    <Page
      title={t("findings.title")}
      lead={t("findings.lead")}
      permission="report.read"
      actions={
        <Select
          aria-label={t("findings.days")}
          data={["1", "7", "14", "30"].map((d) => ({ value: d, label: t("findings.last_days", { count: Number(d) }) }))}
          value={days}
          onChange={(v) => setDays(v ?? "7")}
          w={170}
        />
      }
    >
      <Answered q={q}>
        {(d) => (
          <>
            {d.back ? (
              <Text size="sm" c="dimmed">
                {t("findings.back")} <Time at={d.back} />
              </Text>
            ) : null}
            {d.items.length === 0 ? (
              <Section>
                <Empty title={t("findings.none")} good>
                  {t("findings.none_help")}
                </Empty>
              </Section>
            ) : (
              d.items.map((f) => <One key={f.id} f={f} days={Number(days)} />)
            )}
          </>
        )}
      </Answered>
    </Page>
  );
}

function One({ f, days }: { f: Finding; days: number }) {
  const { t, n } = useText();
  const change = useChange<Finding>();
  const confirm = useConfirm();
  const cache = f.kind === "double-prompt";
  const apply = async () => {
    const yes = await confirm({
      title: t("findings.apply_title"),
      consequences: [f.advice, t("findings.apply_1"), t("findings.apply_2")],
      act: t("findings.apply"),
    });
    if (yes) change.run({ path: "/v1/findings/apply", body: { id: f.id, days }, done: t("findings.did_apply") });
  };
  return (
    <Section
      title={sentence(f.title).replace(/\.$/, "")}
      actions={<Badge color="yellow">{t("findings.times", { count: f.count, n: n(f.count) })}</Badge>}
    >
      <Stack gap="sm">
        <Text className={classes.text}>{sentence(f.advice)}</Text>
        <Facts
          facts={[
            [t("event.application"), f.application],
            [
              t("event.client"),
              f.client === undefined || f.client === "" ? undefined : (
                <Go key="client" to={`/console/clients/${part(f.client)}`}>
                  {f.client}
                </Go>
              ),
            ],
            [t("findings.first"), f.first === undefined ? undefined : <Time key="first" at={f.first} />],
            [t("findings.last"), f.last === undefined ? undefined : <Time key="last" at={f.last} />],
          ]}
        />
        {f.examples.length > 0 && (
          <details>
            <summary>{t("findings.examples", { count: f.examples.length })}</summary>
            <ul className={classes.list}>
              {f.examples.map((e) => (
                <li key={e.logins.map((l) => l.reference).join(" ")}>
                  <AccountLink name={e.account} />: {e.what}
                  <ul>
                    {e.logins.map((l) => (
                      <li key={l.reference}>
                        <Reference value={l.reference} /> <Time at={l.time} form="exact" /> · {l.client}{" "}
                        {l.from !== undefined && l.from !== "" && <Mono>{l.from}</Mono>}
                      </li>
                    ))}
                  </ul>
                </li>
              ))}
            </ul>
          </details>
        )}
        <Fault error={change.error} />
        {f.done !== undefined && f.done !== "" && <Text size="sm">{sentence(f.done)}</Text>}
        <Group gap="xs">
          {f.command !== undefined && f.command !== "" && cache && (
            <MayButton permission="policy.write" loading={change.busy} onClick={() => void apply()}>
              {t("findings.apply")}
            </MayButton>
          )}
          {f.client !== undefined && f.client !== "" && <Go to={`/console/clients/${part(f.client)}`}>{t("findings.to_client")}</Go>}
          {f.command !== undefined && f.command !== "" && (
            <Group gap={4} wrap="nowrap">
              <Code className={classes.command}>{f.command}</Code>
              <Copy value={f.command} label={t("act.copy")} />
            </Group>
          )}
        </Group>
      </Stack>
    </Section>
  );
}
