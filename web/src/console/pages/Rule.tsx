// A rule as a form, with what it says in words beside it, and what it would
// have done.
import { Alert, Button, Group, MultiSelect, NumberInput, Radio, Select, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { Application, ClientView, FactorView, Group as GroupView, Page as Listed, RuleView } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useGo, useName } from "../go";
import { blank, proposal, termsOf } from "../lib/rules";
import { ruleSentence } from "../lib/sentence";
import { DryRun } from "../ui/DryRun";
import { Answered, Empty, Fault, Go, Page, Section } from "../ui/kit";
import classes from "./Rules.module.css";

export default function Rule() {
  const { t } = useText();
  const may = useMay();
  const name = useName();
  const q = useGet<Listed<RuleView>>("/v1/rules", undefined, { enabled: may("policy.read") });
  const isNew = name === "add";
  return (
    <Page
      title={isNew ? t("rules.add") : t("rules.edit", { name })}
      lead={t("rules.edit_lead")}
      permission="policy.write"
      back={{ to: "/console/rules", label: t("nav.rules") }}
    >
      <Answered q={q}>
        {(d) => {
          const was = isNew ? blank : d.items.find((r) => r.name === name);
          if (was === undefined)
            return (
              <Section>
                <Empty title={t("rules.missing", { name })} action={<Go to="/console/rules">{t("nav.rules")}</Go>} />
              </Section>
            );
          if (was.built_in === true)
            return (
              <Section>
                <Empty title={t("rules.fixed_title")} action={<Go to="/console/rules/add">{t("rules.add")}</Go>}>
                  {t("rules.fixed_help")}
                </Empty>
              </Section>
            );
          return <Editor key={name} was={was} all={d.items} isNew={isNew} />;
        }}
      </Answered>
    </Page>
  );
}

function Editor({ was, all, isNew }: { was: RuleView; all: RuleView[]; isNew: boolean }) {
  const { t, language } = useText();
  const go = useGo();
  const may = useMay();
  const [r, setR] = useState<RuleView>(was);
  const others = all.filter((x) => x.built_in !== true && x.name !== was.name);
  const [place, setPlace] = useState(String(isNew ? others.length + 1 : was.place));
  const settings = may("settings.read");
  const apps = useGet<Listed<Application>>("/v1/applications", undefined, { enabled: settings });
  const clients = useGet<Listed<ClientView>>("/v1/clients", undefined, { enabled: settings });
  const groups = useGet<Listed<GroupView>>("/v1/groups", undefined, { enabled: settings });
  const known = useGet<Listed<FactorView>>("/v1/factors", undefined, { enabled: settings });
  const change = useChange<RuleView>();
  const set = <K extends keyof RuleView>(key: K, value: RuleView[K]) => setR((x) => ({ ...x, [key]: value }));
  const s = ruleSentence(r, t, language);
  const factors = known.data?.items.filter((f) => f.category === "have").map((f) => f.name) ?? ["oath", "recovery"];
  const kinds = [...new Set([...factors, ...r.methods, ...r.holding])].map((f) => ({
    value: f,
    label: t(`factor.${f}`, { defaultValue: f }),
  }));
  const names = (list: { name: string }[] | undefined, held: string[]) => [...new Set([...(list ?? []).map((x) => x.name), ...held])];
  const draft = others.slice();
  draft.splice(Math.max(0, Number(place) - 1), 0, { ...r, name: r.name.trim() === "" ? "new" : r.name.trim() });
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

  const save = () => {
    if (isNew) {
      change.run({
        path: "/v1/rules",
        body: { name: r.name.trim(), place: Number(place), ...termsOf(r) },
        done: t("rules.did_add", { name: r.name.trim() }),
        after: () => go("/console/rules"),
      });
      return;
    }
    change.run({
      method: "PATCH",
      path: `/v1/rules/${part(was.name)}`,
      body: { ...(r.name.trim() === was.name ? {} : { new_name: r.name.trim() }), ...termsOf(r) },
      done: t("act.saved"),
      after: () => {
        if (Number(place) !== was.place)
          change.run({ path: `/v1/rules/${part(r.name.trim())}/move`, body: { place: Number(place) }, after: () => go("/console/rules") });
        else go("/console/rules");
      },
    });
  };

  return (
    <form
      onSubmit={(e) => {
        e.preventDefault();
        save();
      }}
    >
      <Stack gap="md">
        <div className={classes.preview} role="status" aria-label={t("rules.says")}>
          <Text>
            <b>{t("rule.when_word")}</b> {s.when}
          </Text>
          <Text>
            <b>{t("rule.then_word")}</b> {s.does.join("; ")}.
          </Text>
        </div>
        <Section title={t("rules.name_and_place")}>
          <div className="sp-filters">
            <TextInput
              label={t("rules.name")}
              description={t("rules.name_help")}
              required
              value={r.name}
              onChange={(e) => set("name", e.currentTarget.value)}
              autoFocus={isNew}
            />
            <Select
              label={t("rules.place")}
              description={t("rules.place_help")}
              data={Array.from({ length: others.length + 1 }, (_, i) => ({
                value: String(i + 1),
                label: i === 0 ? t("rules.place_first") : t("rules.place_after", { place: i + 1, name: others[i - 1]?.name ?? "" }),
              }))}
              value={place}
              onChange={(v) => setPlace(v ?? place)}
            />
          </div>
        </Section>
        <Section title={t("rules.when")} lead={t("rules.when_lead")}>
          <Stack gap="md" maw={640}>
            <MultiSelect
              label={t("rules.applications")}
              data={names(apps.data?.items, r.applications)}
              value={r.applications}
              onChange={(v) => set("applications", v)}
              searchable
              clearable
              placeholder={r.applications.length === 0 ? t("rules.any") : undefined}
            />
            <MultiSelect
              label={t("rules.clients")}
              data={names(clients.data?.items, r.clients)}
              value={r.clients}
              onChange={(v) => set("clients", v)}
              searchable
              clearable
              placeholder={r.clients.length === 0 ? t("rules.any") : undefined}
            />
            <MultiSelect
              label={t("rules.groups")}
              data={names(groups.data?.items, r.groups)}
              value={r.groups}
              onChange={(v) => set("groups", v)}
              searchable
              clearable
              placeholder={r.groups.length === 0 ? t("rules.any") : undefined}
            />
            <TagsInput
              label={t("rules.sources")}
              description={t("rules.sources_help")}
              value={r.sources}
              onChange={(v) => set("sources", v)}
              placeholder={r.sources.length === 0 ? t("rules.any") : undefined}
            />
            <MultiSelect
              label={t("rules.holding")}
              description={t("rules.holding_help")}
              data={kinds}
              value={r.holding}
              onChange={(v) => set("holding", v)}
              clearable
              placeholder={r.holding.length === 0 ? t("rules.any") : undefined}
            />
            <TagsInput
              label={t("rules.times")}
              description={t("rules.times_help", { example: `mon-fri 08:00-18:00 ${zone}` })}
              value={r.times}
              onChange={(v) => set("times", v)}
              placeholder={r.times.length === 0 ? t("rules.always") : undefined}
            />
          </Stack>
        </Section>
        <Section title={t("rules.then")}>
          <Stack gap="md" maw={640}>
            <Radio.Group label={t("rules.need")} value={r.need} onChange={(v) => set("need", v)}>
              <Stack gap="xs" mt="xs">
                <Radio value="both" label={t("rule.need_both")} description={t("rules.need_both_help")} />
                <Radio value="primary" label={t("rule.need_primary")} description={t("rules.need_primary_help")} />
                <Radio value="refuse" label={t("rule.need_refuse")} description={t("rules.need_refuse_help")} />
              </Stack>
            </Radio.Group>
            {r.need === "primary" && (
              <Alert color="yellow" role={was.need === r.need ? undefined : "alert"}>
                {t("rules.primary_warning")}
              </Alert>
            )}
            {r.need === "both" && (
              <>
                <MultiSelect
                  label={t("rules.methods")}
                  description={t("rules.methods_help")}
                  data={kinds}
                  value={r.methods}
                  onChange={(v) => set("methods", v)}
                  clearable
                  placeholder={r.methods.length === 0 ? t("rules.all_methods") : undefined}
                />
                <Radio.Group label={t("rules.unenrolled")} value={r.unenrolled} onChange={(v) => set("unenrolled", v)}>
                  <Stack gap="xs" mt="xs">
                    <Radio value="refuse" label={t("rules.unenrolled_refuse")} description={t("rules.unenrolled_refuse_help")} />
                    <Radio value="enrol" label={t("rules.unenrolled_enrol")} description={t("rules.unenrolled_enrol_help")} />
                    <Radio value="pass" label={t("rules.unenrolled_pass")} description={t("rules.unenrolled_pass_help")} />
                  </Stack>
                </Radio.Group>
                {r.unenrolled === "pass" && (
                  <Alert color="yellow" role={was.unenrolled === r.unenrolled ? undefined : "alert"}>
                    {t("rules.pass_warning")}
                  </Alert>
                )}
                <div className="sp-filters">
                  <NumberInput
                    label={t("rules.challenge")}
                    description={t("rules.challenge_help")}
                    min={0}
                    max={600}
                    value={r.challenge_seconds}
                    onChange={(v) => set("challenge_seconds", Number(v) || 0)}
                  />
                  <NumberInput
                    label={t("rules.wait")}
                    description={t("rules.wait_help")}
                    min={0}
                    max={300}
                    value={r.wait_seconds}
                    onChange={(v) => set("wait_seconds", Number(v) || 0)}
                  />
                </div>
              </>
            )}
            {r.need !== "refuse" && (
              <TagsInput
                label={t("attributes.label")}
                description={t("attributes.help")}
                placeholder="Filter-Id=staff"
                value={r.attributes}
                onChange={(v) => set("attributes", v)}
              />
            )}
          </Stack>
        </Section>
        <Section title={t("dry.title")} lead={t("dry.lead")}>
          <DryRun rules={proposal(draft)} />
        </Section>
        <Fault error={change.error} />
        <Group>
          <Button type="submit" loading={change.busy} disabled={r.name.trim() === ""}>
            {t(isNew ? "rules.add" : "act.save")}
          </Button>
          <Button type="button" variant="default" onClick={() => go("/console/rules")}>
            {t("act.cancel")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
