// One client: what it may, how it waits, and its secret.
import { Alert, Button, Checkbox, Group, NumberInput, Radio, Select, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { Application, ClientView, EventView, Page as Listed, PatienceView } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useGo, useName } from "../go";
import { attributesOf } from "../lib/attributes";
import { useConfirm } from "../ui/confirm";
import {
  AccountLink,
  Answered,
  Empty,
  Facts,
  Fault,
  Go,
  MayButton,
  Mono,
  Page,
  Reference,
  SecretOnce,
  Section,
  Time,
  Verdict,
  Warnings,
} from "../ui/kit";
import { Patience } from "../ui/Patience";
import { Rows } from "../ui/Rows";
import classes from "./plain.module.css";

export default function Client() {
  const { t } = useText();
  const name = useName();
  const may = useMay();
  const q = useGet<ClientView>(`/v1/clients/${part(name)}`, undefined, { enabled: may("settings.read") });
  return (
    <Page
      title={name}
      lead={q.data && t("client.lead", { application: q.data.application })}
      permission="settings.read"
      back={{ to: "/console/applications", label: t("applications.title") }}
    >
      <Answered q={q}>{(c) => <One c={c} />}</Answered>
    </Page>
  );
}

function One({ c }: { c: ClientView }) {
  const { t } = useText();
  const go = useGo();
  const may = useMay();
  const radius = (c.door ?? "radius") === "radius";
  const [editing, setEditing] = useState(false);
  const [secret, setSecret] = useState<string | undefined>();
  const rotate = useChange<{ secret?: string }>();
  const change = useChange();
  const confirm = useConfirm();
  const path = `/v1/clients/${part(c.name)}`;
  const patience = useGet<PatienceView>(`${path}/patience`, undefined, { enabled: radius });
  const events = useGet<Listed<EventView>>("/v1/events", { client: c.name, limit: 8 }, { enabled: may("event.read"), every: 10_000 });
  const begin = async () => {
    const yes = await confirm({
      title: t("rotate.title", { name: c.name }),
      consequences: [t("rotate.1"), t("rotate.2"), ...(c.secrets > 1 ? [t("rotate.again")] : [])],
      act: t("rotate.begin"),
    });
    if (yes) rotate.run({ path: `${path}/rotate`, body: {}, after: (r) => setSecret(r.secret) });
  };
  const finish = async () => {
    const yes = await confirm({
      title: t("rotate.finish_title", { name: c.name }),
      consequences: [t("rotate.finish_1"), t("rotate.finish_2")],
      act: t("rotate.finish"),
      danger: true,
    });
    if (yes) change.run({ path: `${path}/rotate-finish`, done: t("rotate.did_finish"), after: () => setSecret(undefined) });
  };
  const remove = async () => {
    const yes = await confirm({
      title: t("client.remove_title", { name: c.name }),
      consequences: [t("client.remove_1"), t("client.remove_2")],
      act: t("act.remove"),
      danger: true,
      sure: t("client.remove_sure"),
    });
    if (yes)
      change.run({ method: "DELETE", path, done: t("client.did_remove"), after: () => go("/console/applications", { replace: true }) });
  };
  return (
    <>
      <Warnings list={c.warnings} title={t("client.warns")} />
      <Fault error={change.error ?? rotate.error} />
      {radius && (
        <Section title={t("patience.title")} lead={t("patience.lead")}>
          <Answered q={patience}>{(p) => <Patience p={p} />}</Answered>
        </Section>
      )}
      <Section
        title={t("client.settings")}
        actions={
          <MayButton permission="settings.write" size="xs" variant="default" onClick={() => setEditing(!editing)}>
            {t("act.edit")}
          </MayButton>
        }
      >
        {editing ? (
          <Edit c={c} close={() => setEditing(false)} />
        ) : (
          <Facts
            facts={[
              [t("event.application"), c.application],
              [t("event.door"), t(`door.${c.door ?? "radius"}`, { defaultValue: c.door ?? "radius" })],
              [t("client.source"), c.source === "" ? undefined : <Mono key="s">{c.source}</Mono>],
              [t("client.origins"), (c.origins ?? []).length > 0 ? (c.origins ?? []).join(", ") : undefined],
              [t("client.mode"), radius ? t(`client.mode_${c.mode}`, { defaultValue: c.mode }) : undefined],
              [t("client.password"), t(`client.password_${c.password}`, { defaultValue: c.password })],
              [t("client.origin"), radius ? t(`client.origin_${c.origin.replaceAll("-", "_")}`, { defaultValue: c.origin }) : undefined],
              [t("client.rate"), c.rate_per_second === 0 ? t("client.rate_usual") : t("client.rate_is", { count: c.rate_per_second })],
              [t("attributes.label"), c.attributes.length > 0 ? c.attributes.join(", ") : t("attributes.none")],
              [t("client.authenticator"), radius ? t(c.lax ? "client.authenticator_lax" : "client.authenticator_on") : undefined],
              [t("accounts.created"), <Time key="c" at={c.created} form="exact" />],
            ]}
          />
        )}
      </Section>
      {radius && (
        <Section title={t("rotate.secret")} lead={t("rotate.lead")}>
          <Stack gap="md">
            {secret !== undefined && secret !== "" && <SecretOnce label={t("rotate.new")} value={secret} note={t("vpn.secret_note")} />}
            {c.secrets > 1 ? (
              <Alert color="yellow" title={t("rotate.underway")}>
                <Text size="sm">{t("rotate.underway_help")}</Text>
              </Alert>
            ) : (
              <Text size="sm">{t("rotate.one")}</Text>
            )}
            <Group gap="xs">
              <MayButton permission="settings.write" variant="default" loading={rotate.busy} onClick={() => void begin()}>
                {t("rotate.begin")}
              </MayButton>
              {c.secrets > 1 && (
                <MayButton permission="settings.write" loading={change.busy} onClick={() => void finish()}>
                  {t("rotate.finish")}
                </MayButton>
              )}
            </Group>
          </Stack>
        </Section>
      )}
      {may("event.read") && (
        <Section
          title={t("client.newest")}
          flush
          actions={<Go to={`/console/sign-ins?client=${encodeURIComponent(c.name)}`}>{t("client.in_log")}</Go>}
        >
          <Rows
            label={t("client.newest")}
            rows={events.data?.items ?? []}
            id={(e) => String(e.seq)}
            empty={<Empty title={t("client.silent")}>{t("client.silent_help")}</Empty>}
            columns={[
              {
                key: "outcome",
                label: t("log.col.outcome"),
                render: (e) => <Verdict verdict={e.verdict} label={e.label} />,
              },
              { key: "account", label: t("log.col.account"), render: (e) => <AccountLink name={e.account} /> },
              { key: "time", label: t("log.col.time"), render: (e) => <Time at={e.time} form="clock" /> },
              { key: "reference", label: t("log.col.reference"), render: (e) => <Reference value={e.reference} /> },
            ]}
          />
        </Section>
      )}
      <Group>
        <MayButton permission="settings.write" variant="subtle" color="red" onClick={() => void remove()}>
          {t("client.remove")}
        </MayButton>
      </Group>
    </>
  );
}

function Edit({ c, close }: { c: ClientView; close: () => void }) {
  const { t } = useText();
  const may = useMay();
  const radius = (c.door ?? "radius") === "radius";
  const apps = useGet<Listed<Application>>("/v1/applications", undefined, { enabled: may("settings.read") });
  const [application, setApplication] = useState<string | null>(c.application);
  const [source, setSource] = useState(c.source);
  const [mode, setMode] = useState(c.mode);
  const [password, setPassword] = useState(c.password);
  const [believed, setBelieved] = useState(c.origin !== "none");
  const [strict, setStrict] = useState(!c.lax);
  const [rate, setRate] = useState<number | string>(c.rate_per_second);
  const [attributes, setAttributes] = useState(c.attributes);
  const [origins, setOrigins] = useState(c.origins ?? []);
  const change = useChange();
  const same = (a: string[], b: string[]) => a.length === b.length && a.every((v, i) => v === b[i]);
  return (
    <form
      className={classes.form}
      onSubmit={(e) => {
        e.preventDefault();
        change.run({
          method: "PATCH",
          path: `/v1/clients/${part(c.name)}`,
          body: {
            ...(application === c.application ? {} : { application }),
            ...(source === c.source ? {} : { source: source.trim() }),
            ...(mode === c.mode ? {} : { mode }),
            ...(password === c.password ? {} : { password }),
            ...(believed === (c.origin !== "none") ? {} : { origin: believed ? "calling-station-id" : "none" }),
            ...(strict === !c.lax ? {} : { lax: !strict }),
            ...(Number(rate) === c.rate_per_second ? {} : { rate_per_second: Number(rate) }),
            ...(same(attributes, c.attributes) ? {} : { attributes: attributesOf(attributes) }),
            ...(same(origins, c.origins ?? []) ? {} : { origins }),
          },
          done: t("act.saved"),
          after: close,
        });
      }}
    >
      <Stack gap="md">
        <Select
          label={t("event.application")}
          data={(apps.data?.items ?? [{ name: c.application }]).map((a) => a.name)}
          value={application}
          onChange={setApplication}
        />
        {radius ? (
          <>
            <TextInput
              label={t("client.source")}
              description={t("vpn.source_help")}
              value={source}
              onChange={(e) => setSource(e.currentTarget.value)}
              required
            />
            <Radio.Group label={t("vpn.mode")} value={mode} onChange={setMode}>
              <Stack gap="xs" mt="xs">
                <Radio value="challenge" label={t("client.mode_challenge")} description={t("client.mode_challenge_help")} />
                <Radio value="append" label={t("client.mode_append")} description={t("client.mode_append_help")} />
              </Stack>
            </Radio.Group>
            <Radio.Group label={t("vpn.password")} value={password} onChange={setPassword}>
              <Stack gap="xs" mt="xs">
                <Radio value="verify" label={t("client.password_verify")} description={t("client.password_verify_help")} />
                <Radio value="none" label={t("client.password_none")} description={t("client.password_none_help")} />
              </Stack>
            </Radio.Group>
            <Checkbox
              label={t("client.believe")}
              description={t("client.believe_help")}
              checked={believed}
              onChange={(e) => setBelieved(e.currentTarget.checked)}
            />
            <Checkbox
              label={t("client.strict")}
              description={t("client.lax_help")}
              checked={strict}
              onChange={(e) => setStrict(e.currentTarget.checked)}
            />
          </>
        ) : (
          <TagsInput label={t("client.origins")} description={t("client.origins_help")} value={origins} onChange={setOrigins} />
        )}
        <NumberInput label={t("client.rate")} description={t("client.rate_help")} min={0} value={rate} onChange={setRate} />
        <TagsInput label={t("attributes.label")} description={t("attributes.help")} value={attributes} onChange={setAttributes} />
        <Alert color="blue">{t("client.at_once")}</Alert>
        <Fault error={change.error} />
        <Group>
          <Button type="submit" loading={change.busy}>
            {t("act.save")}
          </Button>
          <Button type="button" variant="default" onClick={close}>
            {t("act.cancel")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
