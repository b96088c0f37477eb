import { Alert, Button, Group, Radio, Select, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type ClientView, got, type Invitation, keyOf, ProblemError } from "~/api";
import { CopyButton, Facts, ProblemNote, Qr, SecretOnce, Status, Time } from "~/ui";

/** The first application. */
export function ApplicationStep({ existing, onDone }: { existing: { name: string }[]; onDone: (name: string) => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const made = await got(api.POST("/v1/applications", { body: { name: name.trim() } }));
      await queries.invalidateQueries({ queryKey: keyOf("/v1/applications") });
      onDone(made.name);
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  const first = existing[0]?.name;
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {first ? <Status tone="ok">{t("setup.application.has", { name: first })}</Status> : null}
        <ProblemNote error={error} />
        <TextInput
          label={t("setup.application.name")}
          description={t("setup.nameRule")}
          placeholder="office-vpn"
          size="md"
          autoComplete="off"
          spellCheck={false}
          autoFocus
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
        />
        <Group>
          <Button type="submit" loading={busy} disabled={!name.trim()}>
            {t("setup.application.do")}
          </Button>
          {first ? (
            <Button type="button" variant="default" onClick={() => onDone(first)}>
              {t("ui.next")}
            </Button>
          ) : null}
        </Group>
      </Stack>
    </form>
  );
}

interface ClientStepProps {
  existing: ClientView[];
  applications: string[];
  application?: string;
  onMade: (name: string) => void;
  onDone: () => void;
}

/** The first RADIUS client: a VPN gateway, a firewall, a remote desktop gateway. */
export function ClientStep({ existing, applications, application, onMade, onDone }: ClientStepProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [source, setSource] = useState("");
  const [app, setApp] = useState(application ?? applications[0] ?? "");
  const [mode, setMode] = useState<"challenge" | "append">("challenge");
  const [password, setPassword] = useState<"verify" | "none">("verify");
  const [made, setMade] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const answer = await got(
        api.POST("/v1/clients", { body: { name: name.trim(), application: app, source: source.trim(), mode, password } }),
      );
      onMade(answer.name);
      setMade(answer.secret ?? "");
      await queries.invalidateQueries({ queryKey: keyOf("/v1/clients") });
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  if (made !== undefined) {
    return (
      <Stack gap="lg">
        <SecretOnce label={t("setup.client.secret")} value={made} note={t("setup.client.secretNote")} />
        <div>
          <Text fw={620} mb={6}>
            {t("setup.client.enter")}
          </Text>
          <Facts
            items={[
              [t("setup.client.server"), <code key="s">{location.hostname}</code>],
              [t("setup.client.port"), t("setup.client.portValue")],
              [t("setup.client.secret"), t("setup.client.above")],
              [t("setup.client.method"), "PAP"],
              [t("setup.client.timeout"), t("setup.client.timeoutValue")],
              ["Message-Authenticator", t("setup.client.messageAuthenticator")],
            ]}
          />
        </div>
        <Group>
          <Button type="button" onClick={onDone}>
            {t("setup.client.entered")}
          </Button>
        </Group>
      </Stack>
    );
  }
  const has = existing[0]?.name;
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {applications.length === 0 ? <Alert color="yellow">{t("setup.client.noApplication")}</Alert> : null}
        {has ? <Status tone="ok">{t("setup.client.has", { name: has })}</Status> : null}
        <ProblemNote error={error} />
        <TextInput
          label={t("setup.client.name")}
          description={t("setup.nameRule")}
          placeholder="vpn-gateway"
          autoComplete="off"
          spellCheck={false}
          autoFocus
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
        />
        {applications.length > 1 ? (
          <Select label={t("setup.client.application")} data={applications} value={app} onChange={(v) => setApp(v ?? "")} />
        ) : null}
        <TextInput
          label={t("setup.client.source")}
          description={t("setup.client.sourceHelp")}
          placeholder="192.0.2.10"
          autoComplete="off"
          spellCheck={false}
          value={source}
          onChange={(e) => setSource(e.currentTarget.value)}
        />
        <Radio.Group label={t("setup.client.mode")} value={mode} onChange={(v) => setMode(v === "append" ? "append" : "challenge")}>
          <Stack gap="xs" mt={6}>
            <Radio value="challenge" label={t("setup.client.challenge")} description={t("setup.client.challengeHelp")} />
            <Radio value="append" label={t("setup.client.append")} description={t("setup.client.appendHelp")} />
          </Stack>
        </Radio.Group>
        <Radio.Group label={t("setup.client.password")} value={password} onChange={(v) => setPassword(v === "none" ? "none" : "verify")}>
          <Stack gap="xs" mt={6}>
            <Radio value="verify" label={t("setup.client.verify")} />
            <Radio value="none" label={t("setup.client.none")} description={t("setup.client.noneHelp")} />
          </Stack>
        </Radio.Group>
        <Group>
          <Button type="submit" loading={busy} disabled={!name.trim() || !source.trim() || !app}>
            {t("setup.client.do")}
          </Button>
          {has ? (
            <Button type="button" variant="default" onClick={onDone}>
              {t("ui.next")}
            </Button>
          ) : null}
        </Group>
      </Stack>
    </form>
  );
}

/** The first person, who is invited to enrol. */
export function PersonStep({ mayInvite, onDone }: { mayInvite: boolean; onDone: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [made, setMade] = useState<string>();
  const [link, setLink] = useState<Invitation>();
  const [code, setCode] = useState<Invitation>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  const invite = async (account: string, kind: "link" | "code") => {
    const invitation = await got(api.POST("/v1/accounts/{name}/invitations", { params: { path: { name: account } }, body: { kind } }));
    if (kind === "link") setLink(invitation);
    else setCode(invitation);
  };
  const run = async (f: () => Promise<void>) => {
    setBusy(true);
    setError(undefined);
    try {
      await f();
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  const submit = (e: FormEvent) => {
    e.preventDefault();
    void run(async () => {
      let account = name.trim();
      try {
        account = (await got(api.POST("/v1/accounts", { body: { name: account } }))).name;
      } catch (x) {
        // Somebody of that name is here already, perhaps from before the page was left: invite them.
        if (!(x instanceof ProblemError && x.is("exists"))) throw x;
      }
      setMade(account);
      await queries.invalidateQueries({ queryKey: keyOf("/v1/accounts") });
      if (mayInvite) await invite(account, "link");
    });
  };
  const address = link ? linkOf(link) : "";
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <ProblemNote error={error} />
        {made ? (
          <>
            <Status tone="ok">{t("setup.person.made", { name: made })}</Status>
            {link ? (
              <>
                <Text>{t("setup.person.scan")}</Text>
                <Qr value={address} label={t("setup.person.qr", { name: made })} />
                <div className="sp-secret">
                  <code>{address}</code>
                  <CopyButton value={address} label={t("setup.person.copy")} />
                </div>
                <Text size="sm" c="dimmed">
                  {t("setup.person.until")} <Time value={link.expires} />
                </Text>
              </>
            ) : null}
            {code?.code ? (
              <Alert color="blue" role="status" title={t("setup.person.code")}>
                <Group justify="space-between">
                  <Text ff="monospace" fz="xl" fw={650}>
                    {code.code}
                  </Text>
                  <CopyButton value={code.code} />
                </Group>
                <Text size="sm">
                  {t("setup.person.codeHow", { address: `${location.origin}/enrol` })} {t("setup.person.until")}{" "}
                  <Time value={code.expires} />
                </Text>
              </Alert>
            ) : null}
            <Group>
              <Button type="button" onClick={onDone}>
                {t("ui.next")}
              </Button>
              {mayInvite && !code ? (
                <Button type="button" variant="default" loading={busy} onClick={() => void run(() => invite(made, "code"))}>
                  {t("setup.person.makeCode")}
                </Button>
              ) : null}
            </Group>
          </>
        ) : (
          <>
            <TextInput
              label={t("setup.person.name")}
              description={t("setup.person.nameHelp")}
              placeholder="alice"
              size="md"
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              autoFocus
              value={name}
              onChange={(e) => setName(e.currentTarget.value)}
            />
            <Group>
              <Button type="submit" loading={busy} disabled={!name.trim()}>
                {t("setup.person.do")}
              </Button>
              <Button type="button" variant="default" onClick={onDone}>
                {t("setup.skip")}
              </Button>
            </Group>
          </>
        )}
      </Stack>
    </form>
  );
}

/** The address of an invitation, whether the server says the whole of it or its secret only. */
export function linkOf(i: Invitation): string {
  if (i.link) return i.link.startsWith("/") ? location.origin + i.link : i.link;
  return `${location.origin}/enrol#${i.secret ?? ""}`;
}
