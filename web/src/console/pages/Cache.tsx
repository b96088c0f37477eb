import { Group, NumberInput, Radio, Select, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { Application, CacheRuleView, Page as Listed } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useConfirm } from "../ui/confirm";
import { FormSection, RemoveButton } from "../ui/Form";
import { Answered, Empty, Fault, MayButton, Page, Section, Time, Warnings } from "../ui/kit";
import { Rows } from "../ui/Rows";

const types = ["user+application+ip", "user+application", "user"] as const;

export default function Cache() {
  const { t, n } = useText();
  const may = useMay();
  const q = useGet<Listed<CacheRuleView>>("/v1/cache-rules", undefined, { enabled: may("policy.read") });
  const applications = useGet<Listed<Application>>("/v1/applications", undefined, { enabled: may("settings.read") });
  const [open, setOpen] = useState(false);
  const [application, setApplication] = useState<string | null>(null);
  const [type, setType] = useState<string>(types[0]);
  const [seconds, setSeconds] = useState<number | string>(60);
  const [account, setAccount] = useState("");
  const add = useChange();
  const remove = useChange();
  const purge = useChange();
  const confirm = useConfirm();
  const drop = async (c: CacheRuleView) => {
    const yes = await confirm({
      title: t("cache.remove_title", { application: c.application }),
      consequences: [t("cache.remove_1"), t("cache.remove_2")],
      act: t("act.remove"),
    });
    if (yes) remove.run({ method: "DELETE", path: `/v1/cache-rules/${part(c.application)}`, done: t("cache.did_remove") });
  };
  const forget = async () => {
    const name = account.trim();
    const yes = await confirm({
      title: t(name === "" ? "cache.purge_all_title" : "cache.purge_title", { name }),
      consequences: [t("cache.purge_1")],
      act: t("cache.purge"),
    });
    if (yes)
      purge.run({
        path: "/v1/cache/purge",
        body: name === "" ? { all: true } : { account: name },
        done: t("cache.did_purge"),
        after: () => setAccount(""),
      });
  };
  return (
    <Page
      title={t("nav.cache")}
      lead={t("cache.lead")}
      permission="policy.read"
      actions={
        <MayButton permission="policy.write" onClick={() => setOpen(!open)}>
          {t("cache.add")}
        </MayButton>
      }
    >
      {open && (
        <FormSection
          title={t("cache.add")}
          lead={t("cache.add_lead")}
          act={t("cache.add")}
          busy={add.busy}
          ready={application !== null && typeof seconds === "number"}
          error={add.error}
          submit={() =>
            add.run({
              path: "/v1/cache-rules",
              body: { application, type, seconds: Number(seconds) },
              done: t("cache.did_add"),
              after: () => setOpen(false),
            })
          }
        >
          <Select
            label={t("event.application")}
            data={(applications.data?.items ?? []).map((a) => a.name)}
            value={application}
            onChange={setApplication}
            required
          />
          <Radio.Group label={t("cache.type")} value={type} onChange={setType}>
            <Stack gap="xs" mt="xs">
              {types.map((x) => (
                <Radio
                  key={x}
                  value={x}
                  label={t(`cache_type.${x.replaceAll("+", "_")}`)}
                  description={t(`cache_help.${x.replaceAll("+", "_")}`)}
                />
              ))}
            </Stack>
          </Radio.Group>
          <NumberInput
            label={t("cache.seconds")}
            description={t("cache.seconds_help")}
            min={1}
            max={86400}
            value={seconds}
            onChange={setSeconds}
            required
          />
        </FormSection>
      )}
      <Fault error={remove.error} />
      <Answered q={q}>
        {(d) => (
          <Rows
            label={t("nav.cache")}
            rows={d.items}
            id={(c) => c.id}
            empty={
              <Empty title={t("cache.none")} good>
                {t("cache.none_help")}
              </Empty>
            }
            columns={[
              { key: "application", label: t("event.application"), render: (c) => c.application },
              {
                key: "type",
                label: t("cache.type"),
                render: (c) => t(`cache_type.${c.type.replaceAll("+", "_")}`, { defaultValue: c.type }),
              },
              { key: "seconds", label: t("cache.life"), render: (c) => t("cache.for_seconds", { count: c.seconds, n: n(c.seconds) }) },
              { key: "code", label: t("event.outcome"), number: true, render: (c) => c.code },
              { key: "created", label: t("accounts.created"), render: (c) => <Time at={c.created} /> },
              { key: "warnings", label: t("warnings"), render: (c) => (c.warnings.length > 0 ? <Warnings list={c.warnings} /> : "–") },
              {
                key: "do",
                label: "",
                render: (c) => <RemoveButton permission="policy.write" of={c.application} remove={() => void drop(c)} />,
              },
            ]}
          />
        )}
      </Answered>
      <Section title={t("cache.purge")} lead={t("cache.purge_lead")}>
        <form
          onSubmit={(e) => {
            e.preventDefault();
            void forget();
          }}
        >
          <Group align="flex-end" gap="sm">
            <TextInput
              label={t("cache.purge_account")}
              value={account}
              onChange={(e) => setAccount(e.currentTarget.value)}
              autoComplete="off"
            />
            <MayButton permission="cache.write" type="submit" variant="default" loading={purge.busy}>
              {t(account.trim() === "" ? "cache.purge_all" : "cache.purge")}
            </MayButton>
          </Group>
          <Fault error={purge.error} />
        </form>
      </Section>
    </Page>
  );
}
