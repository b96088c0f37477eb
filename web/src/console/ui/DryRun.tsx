// What other rules would have done with past logins.
import { Alert, Badge, Button, Group, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { call } from "../api/call";
import type { DryRun as Answer, DryRunChange } from "../api/types";
import { useText } from "../core";
import type { NewRule } from "../lib/rules";
import classes from "./DryRun.module.css";
import { AccountLink, Fault, Reference, Time } from "./kit";

export function DryRun({ rules }: { rules: NewRule[] }) {
  const { t, n, minute } = useText();
  const [days, setDays] = useState("30");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  const [answer, setAnswer] = useState<{ of: string; view: Answer } | undefined>();
  const key = JSON.stringify(rules);
  const run = async () => {
    setBusy(true);
    setError(undefined);
    try {
      setAnswer({ of: key, view: await call<Answer>("POST", "/v1/rules/dry-run", { body: { rules, days: Number(days) } }) });
    } catch (e) {
      setError(e as Error);
    } finally {
      setBusy(false);
    }
  };
  const view = answer?.of === key ? answer.view : undefined;
  const weaker = view?.changes.some((c) => c.weaker) === true;
  return (
    <Stack gap="sm">
      <Group gap="xs" align="flex-end">
        <Select
          label={t("dry.days")}
          data={["1", "7", "30", "90"].map((d) => ({ value: d, label: t("findings.last_days", { count: Number(d) }) }))}
          value={days}
          onChange={(v) => setDays(v ?? "30")}
          w={180}
        />
        <Button type="button" variant="default" loading={busy} onClick={() => void run()}>
          {t("dry.run")}
        </Button>
      </Group>
      <Fault error={error} />
      <div role="status">
        {answer !== undefined && view === undefined && <Text size="sm">{t("dry.stale")}</Text>}
        {view !== undefined && (
          <Stack gap="sm">
            <Alert
              color={view.otherwise === 0 ? "green" : weaker ? "red" : "yellow"}
              title={
                view.logins === 0
                  ? t("dry.no_logins")
                  : t("dry.result", { count: view.otherwise, n: n(view.otherwise), of: n(view.logins) })
              }
            >
              <Text size="sm">
                {t("dry.since", { time: minute(view.since) })} {view.truncated === true && t("dry.truncated")}{" "}
                {(view.gone ?? 0) > 0 && t("dry.gone", { count: view.gone ?? 0, n: n(view.gone ?? 0) })}
              </Text>
              {weaker && (
                <Text size="sm" fw={600} mt={4}>
                  {t("dry.weaker")}
                </Text>
              )}
            </Alert>
            {view.changes.map((c) => (
              <Change key={`${c.from_rule} ${c.to_rule} ${c.from} ${c.to}`} c={c} />
            ))}
          </Stack>
        )}
      </div>
    </Stack>
  );
}

function Change({ c }: { c: DryRunChange }) {
  const { t, n } = useText();
  const says = (what: string, methods: string[] | undefined) => {
    const names = (methods ?? []).map((m) => t(`factor.${m}`, { defaultValue: m })).join(", ");
    const word = t(`decision.${what.replaceAll("-", "_")}`, { defaultValue: what });
    return names === "" ? word : `${word} (${names})`;
  };
  return (
    <div className={classes.change}>
      <Group gap="xs" mb={4}>
        <Badge color={c.weaker === true ? "red" : "gray"}>{t("dry.logins", { count: c.count, n: n(c.count) })}</Badge>
        {c.weaker === true && (
          <Text size="sm" fw={600}>
            {t("dry.less")}
          </Text>
        )}
      </Group>
      <dl>
        <dt>{t("dry.was")}</dt>
        <dd>
          <b>{c.from_rule}</b>: {says(c.from, c.from_methods)}
        </dd>
        <dt>{t("dry.would")}</dt>
        <dd>
          <b>{c.to_rule}</b>: {says(c.to, c.to_methods)}
        </dd>
      </dl>
      <details>
        <summary>{t("findings.examples", { count: c.examples.length })}</summary>
        <ul>
          {c.examples.map((e) => (
            <li key={e.reference}>
              <Reference value={e.reference} /> <AccountLink name={e.account} /> · {e.application}{" "}
              {e.time !== undefined && <Time at={e.time} />}
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}
