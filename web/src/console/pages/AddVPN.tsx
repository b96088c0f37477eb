// From nothing to the first packet of a VPN, in three steps.
import { Alert, Autocomplete, Button, Checkbox, Group, List, Loader, Radio, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Steps } from "~/ui/Steps";
import { call, part } from "../api/call";
import type { Application, ClientView, EventPage, Page as Listed, SystemView } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { Copy, Facts, Fault, Go, Mono, Page, Reference, SecretOnce, Section, Time, Verdict } from "../ui/kit";
import classes from "./plain.module.css";

const steps = ["application", "client", "connect"] as const;

export default function AddVPN() {
  const { t } = useText();
  const may = useMay();
  const cache = useQueryClient();
  const apps = useGet<Listed<Application>>("/v1/applications", undefined, { enabled: may("settings.read") });
  const [step, setStep] = useState<(typeof steps)[number]>("application");
  const [application, setApplication] = useState("");
  const [name, setName] = useState("");
  const [source, setSource] = useState("");
  const [mode, setMode] = useState("challenge");
  const [password, setPassword] = useState("verify");
  const [lax, setLax] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  const [made, setMade] = useState<{ client: ClientView; secret: string } | undefined>();

  const make = async () => {
    setBusy(true);
    setError(undefined);
    try {
      if (!(apps.data?.items ?? []).some((a) => a.name === application.trim())) {
        await call("POST", "/v1/applications", { body: { name: application.trim() } });
        await apps.refetch();
      }
      const answer = await call<{ client?: ClientView; secret?: string } & Partial<ClientView>>("POST", "/v1/clients", {
        body: { name: name.trim(), application: application.trim(), source: source.trim(), mode, password, ...(lax ? { lax } : {}) },
      });
      setMade({ client: (answer.client ?? answer) as ClientView, secret: answer.secret ?? "" });
      setStep("connect");
      await cache.invalidateQueries({ queryKey: ["console"] });
    } catch (e) {
      setError(e as Error);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Page
      title={t("vpn.title")}
      lead={t("vpn.lead")}
      permission="settings.write"
      back={{ to: "/console/applications", label: t("applications.title") }}
    >
      <Section>
        <Steps
          label={t("vpn.title")}
          now={step}
          steps={steps.map((s) => ({ key: s, title: t(`vpn.step_${s}`), done: steps.indexOf(s) < steps.indexOf(step) }))}
        />
        {step === "application" && (
          <form
            className={classes.form}
            onSubmit={(e) => {
              e.preventDefault();
              setStep("client");
            }}
          >
            <Stack gap="md">
              <Text>{t("vpn.application_lead")}</Text>
              <Autocomplete
                label={t("applications.name")}
                description={t("vpn.application_help")}
                data={(apps.data?.items ?? []).map((a) => a.name)}
                value={application}
                onChange={setApplication}
                required
                placeholder="office-vpn"
                autoFocus
                // The list would lie over the button; it opens by a click and by typing.
                openOnFocus={false}
              />
              <Group>
                <Button type="submit" disabled={application.trim() === ""}>
                  {t("act.next")}
                </Button>
              </Group>
            </Stack>
          </form>
        )}
        {step === "client" && (
          <form
            className={classes.form}
            onSubmit={(e) => {
              e.preventDefault();
              void make();
            }}
          >
            <Stack gap="md">
              <Text>{t("vpn.client_lead")}</Text>
              <TextInput
                label={t("vpn.client_name")}
                description={t("vpn.client_name_help")}
                required
                value={name}
                onChange={(e) => setName(e.currentTarget.value)}
                placeholder="firewall-1"
                autoFocus
                autoComplete="off"
              />
              <TextInput
                label={t("client.source")}
                description={t("vpn.source_help")}
                required
                value={source}
                onChange={(e) => setSource(e.currentTarget.value)}
                placeholder="192.0.2.10"
                autoComplete="off"
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
                label={t("client.lax")}
                description={t("client.lax_help")}
                checked={lax}
                onChange={(e) => setLax(e.currentTarget.checked)}
              />
              <Fault error={error} />
              <Group>
                <Button type="button" variant="default" onClick={() => setStep("application")}>
                  {t("act.back")}
                </Button>
                <Button type="submit" loading={busy} disabled={name.trim() === "" || source.trim() === ""}>
                  {t("vpn.make")}
                </Button>
              </Group>
            </Stack>
          </form>
        )}
        {step === "connect" && made !== undefined && <Connect client={made.client} secret={made.secret} />}
      </Section>
    </Page>
  );
}

function Connect({ client, secret }: { client: ClientView; secret: string }) {
  const { t } = useText();
  const may = useMay();
  const system = useGet<SystemView>("/v1/system", undefined, { enabled: may("system.read") });
  const listen = system.data?.settings.find((s) => s.key === "radius.address" || s.key === "radius")?.value ?? "";
  const port = /:(\d+)/.exec(listen)?.[1] ?? "1812";
  const first = useGet<EventPage>("/v1/events", { client: client.name, limit: 1 }, { every: 2000, enabled: may("event.read") });
  const event = first.data?.items[0];
  return (
    <Stack gap="md">
      <SecretOnce label={t("vpn.secret", { name: client.name })} value={secret} note={t("vpn.secret_note")} />
      <div>
        <Text fw={600} mb={4}>
          {t("vpn.enter")}
        </Text>
        <Facts
          facts={[
            [
              t("vpn.server"),
              <Group key="s" gap={4}>
                <Mono>{location.hostname}</Mono>
                <Copy value={location.hostname} label={t("act.copy")} />
              </Group>,
            ],
            [t("vpn.port"), <Mono key="p">{`UDP ${port}`}</Mono>],
            [t("vpn.protocol"), t("vpn.protocol_is")],
            [t("vpn.timeout"), t("vpn.timeout_is")],
            [t("vpn.retries"), t("vpn.retries_are")],
            [t("vpn.authenticator"), t(client.lax ? "vpn.authenticator_lax" : "vpn.authenticator_on")],
            [t("vpn.calling"), t("vpn.calling_is")],
          ]}
        />
      </div>
      <div role="status">
        {event === undefined ? (
          <Alert color="blue" title={t("vpn.waiting")} icon={<Loader size="xs" aria-hidden />}>
            <Text size="sm">{t("vpn.waiting_help")}</Text>
            <List size="sm" mt="xs">
              <List.Item>{t("vpn.check_1", { source: client.source })}</List.Item>
              <List.Item>{t("vpn.check_2", { port })}</List.Item>
              <List.Item>{t("vpn.check_3")}</List.Item>
            </List>
            <Text size="sm" mt="xs">
              <Go to="/console/sign-ins?stage=client&within=15m">{t("vpn.strangers")}</Go>
            </Text>
          </Alert>
        ) : (
          <Alert color={event.verdict === "accept" || event.verdict === "challenge" ? "green" : "yellow"} title={t("vpn.arrived")}>
            <Group gap="xs">
              <Verdict verdict={event.verdict} label={event.label} />
              <span>{event.account}</span>
              <Time at={event.time} />
              <Reference value={event.reference} />
            </Group>
            <Text size="sm" mt="xs">
              {t(event.verdict === "accept" ? "vpn.works" : "vpn.arrived_help")}
            </Text>
          </Alert>
        )}
      </div>
      <Group>
        <Go to={`/console/clients/${part(client.name)}`}>{t("vpn.to_client")}</Go>
      </Group>
    </Stack>
  );
}
