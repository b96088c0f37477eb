// One login explained: its trace as a timeline, in three readings.
import { Alert, Badge, Button, Group, Stack, Tabs, Text } from "@mantine/core";
import { IconCheck, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { said } from "~/ui/Said";
import { part } from "../api/call";
import type { Step, WhyView } from "../api/types";
import { useText } from "../core";
import { A } from "../go";
import { moreLike } from "../lib/filter";
import { duties, mending, telling } from "../lib/remedy";
import { AccountLink, Copy, Facts, Go, Mono, sentence, Time, Verdict, Warnings } from "./kit";

/** What happened at each stage and how long it took. */
export function Timeline(props: { steps: Step[]; notes: boolean }) {
  const { t, span } = useText();
  return (
    <ol className="sp-trace" aria-label={t("trace.timeline")}>
      {props.steps.map((s, i) => (
        <li key={`${String(i)}${s.stage}`} data-failed={s.ok ? undefined : ""}>
          <span className="sp-trace-dot" aria-hidden>
            {s.ok ? <IconCheck size={15} stroke={2.5} /> : <IconX size={15} stroke={2.5} />}
          </span>
          <span className="sp-trace-stage">
            {t(`stage.${s.stage}`, { defaultValue: s.stage })}
            <span className="sp-hidden"> {t(s.ok ? "trace.ok" : "trace.not_ok")}</span>
          </span>
          <span className="sp-trace-note">
            {props.notes && s.note !== undefined && s.note !== "" ? (
              // The server's word for the verdict is a stable name.
              s.stage === "verdict" ? (
                t(`verdict.${s.note}`, { defaultValue: s.note })
              ) : (
                s.note
              )
            ) : (
              <Text span c="dimmed" inherit>
                {t(`stage_about.${s.stage}`, { defaultValue: "" })}
              </Text>
            )}
          </span>
          <span className="sp-trace-took">{span(s.took_ns / 1000)}</span>
        </li>
      ))}
    </ol>
  );
}

/** A text in which what stands between backticks is a command. */
function withCommands(text: string) {
  return text.split("`").map((part, i) => (i % 2 === 1 ? <Mono key={`${String(i)}${part}`}>{part}</Mono> : part));
}

/** The remedy, by who must act. */
export function Duties(props: { remedy: string }) {
  const { t } = useText();
  return (
    <Stack gap="xs">
      {duties(props.remedy).map((d) => (
        <div key={d.who + d.what}>
          {d.who !== "" && (
            <Text fw={600} size="sm">
              {t(`who.${d.who.toLowerCase().replace(" ", "_")}`, { defaultValue: d.who })}
            </Text>
          )}
          <Text size="sm">{withCommands(sentence(d.what))}</Text>
        </div>
      ))}
    </Stack>
  );
}

export function Explained({ why }: { why: WhyView }) {
  const { t, span } = useText();
  const first = why.administrator !== undefined && why.administrator !== "" ? "administrator" : "help_desk";
  const [reading, setReading] = useState<string | null>(first);
  const help = telling(why.help_desk);
  const steps = why.trace ?? [];
  const took = steps.reduce((sum, s) => sum + s.took_ns, 0) / 1000;
  const like = moreLike(why);
  const query = new URLSearchParams(like as Record<string, string>).toString();
  return (
    <Stack gap="md">
      <Group justify="space-between" gap="xs">
        <Verdict verdict={why.verdict} label={why.label} />
        <Group gap={6}>
          <Badge color={why.mfa_at_fault ? "red" : "gray"}>{t(why.mfa_at_fault ? "trace.at_fault" : "trace.not_at_fault")}</Badge>
          <Badge color="gray">{t("trace.code", { code: why.code })}</Badge>
        </Group>
      </Group>
      <div className="sp-reference-big">
        <code>{why.reference}</code>
        <Group gap={4}>
          <Copy value={why.reference} label={t("trace.copy_reference")} />
          <Copy value={`${location.origin}/console/sign-ins/${why.reference}`} label={t("trace.copy_link")} link />
        </Group>
      </div>
      <Tabs value={reading} onChange={setReading} keepMounted={false}>
        <Tabs.List aria-label={t("trace.readings")}>
          <Tabs.Tab value="person">{t("trace.person")}</Tabs.Tab>
          <Tabs.Tab value="help_desk">{t("trace.help_desk")}</Tabs.Tab>
          {first === "administrator" && <Tabs.Tab value="administrator">{t("trace.administrator")}</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="person" pt="md">
          <Stack gap="xs">
            <Text size="sm" c="dimmed">
              {t("trace.person_lead")}
            </Text>
            <Alert color="gray" variant="default">
              <Text>{said(why.person)}</Text>
              <Text size="sm" mt={4}>
                {t("trace.person_reference")} <Mono>{why.reference}</Mono>
              </Text>
            </Alert>
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="help_desk" pt="md">
          <Stack gap="sm">
            {help.reads !== "" && <Text>{help.reads}</Text>}
            {help.tells !== undefined && (
              <Alert color="blue" title={t("trace.tell")}>
                {sentence(help.tells)}
              </Alert>
            )}
            {first === "help_desk" && why.remedy !== undefined && why.remedy !== "" && <WhatToDo why={why} remedy={why.remedy} />}
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="administrator" pt="md">
          <Stack gap="sm">
            <Text>{why.administrator}</Text>
            {why.remedy !== undefined && why.remedy !== "" && <WhatToDo why={why} remedy={why.remedy} />}
          </Stack>
        </Tabs.Panel>
      </Tabs>
      <Warnings list={why.remarks} title={t("trace.remarks")} />
      {steps.length > 0 && (
        <div>
          <Group justify="space-between" mb="xs">
            <Text fw={600}>{t("trace.timeline")}</Text>
            <Text size="sm" c="dimmed">
              {t("trace.all", { took: span(why.took_us > 0 ? why.took_us : took) })}
            </Text>
          </Group>
          <Timeline steps={steps} notes={reading === "administrator"} />
        </div>
      )}
      <Facts
        facts={[
          [t("event.time"), <Time key="t" at={why.time} form="exact" />],
          [t("event.account"), <AccountLink key="a" name={why.account} />],
          [t("event.application"), why.application === "" ? "–" : why.application],
          [
            t("event.client"),
            why.client === "" ? (
              "–"
            ) : (
              <Go key="c" to={`/console/clients/${part(why.client)}`}>
                {why.client}
              </Go>
            ),
          ],
          [
            t("event.rule"),
            why.rule === undefined || why.rule === "" ? (
              "–"
            ) : (
              <Go key="r" to={`/console/rules/${part(why.rule)}`}>
                {why.rule}
              </Go>
            ),
          ],
          [
            t("event.factor"),
            why.factor === undefined || why.factor === "" ? "–" : t(`factor.${why.factor}`, { defaultValue: why.factor }),
          ],
          [t("event.source"), <Mono key="s">{why.source === "" ? "–" : why.source}</Mono>],
          [t("event.from"), <Mono key="f">{why.from === undefined || why.from === "" ? "–" : why.from}</Mono>],
          [t("event.door"), t(`door.${why.door}`, { defaultValue: why.door })],
          [t("event.outcome"), <Mono key="o">{`${why.outcome} (${String(why.code)})`}</Mono>],
        ]}
      />
      <Group gap="xs">
        <Button component={A} to={`/console/sign-ins?${query}`} variant="default" size="xs">
          {t("trace.more_like")}
        </Button>
        {why.account !== "" && (
          <Button component={A} to={`/console/sign-ins?account=${encodeURIComponent(why.account)}`} variant="default" size="xs">
            {t("trace.more_account")}
          </Button>
        )}
      </Group>
    </Stack>
  );
}

function WhatToDo({ why, remedy }: { why: WhyView; remedy: string }) {
  const { t } = useText();
  const mends = mending(why.outcome, why.account);
  return (
    <Alert color="green" title={t("trace.what_to_do")} icon={<IconCheck />}>
      <Stack gap="xs">
        <Duties remedy={remedy} />
        {mends !== undefined && <Go to={`/console/accounts/${part(why.account)}`}>{t(mends, { name: why.account })}</Go>}
      </Stack>
    </Alert>
  );
}
