import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, can, got, keepSession, type SignIn, toProblem, useApi } from "~/api";
import { CentrePage, Loading, makePasskey, PasskeyError, PasskeyNote, ProblemNote, RecoveryCodes, Steps } from "~/ui";
import { InsecureNote, PasswordFields } from "../enrol/EnrolFlow";
import { takeFragment } from "../enrol/secret";
import { SignInForm } from "../SignIn";
import { noteSession, useOwnSession } from "../signedIn";
import { done, next, type Standing, type StepName, steps } from "./progress";
import { TestStep } from "./Test";
import { ApplicationStep, ClientStep, PersonStep } from "./Things";

/**
 * First set-up: from the link that the server printed to a login that works.
 * Whatever is done is kept by the server, so that the wizard can be left at any
 * point and goes on there.
 */
export function SetUpPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [token] = useState(takeFragment);
  const [owner, setOwner] = useState<string>(); // made just now
  const [codes, setCodes] = useState<string[]>();
  const [chosen, setChosen] = useState<StepName>();
  const [application, setApplication] = useState<string>();
  const [client, setClient] = useState<string>();

  const config = useApi("/v1/config");
  const session = useOwnSession("console");
  const signedIn = Boolean(session.data);
  const on = { enabled: signedIn };
  const applications = useApi("/v1/applications", undefined, on);
  const clients = useApi("/v1/clients", undefined, on);
  const people = useApi("/v1/accounts", { params: { query: { limit: 2 } } }, on);
  const radius = clients.data?.items.filter((c) => (c.door ?? "radius") === "radius") ?? [];
  const firstClient = client ?? radius[0]?.name;
  const logins = useApi(
    "/v1/events",
    { params: { query: { limit: 1, client: firstClient } } },
    { enabled: signedIn && firstClient !== undefined },
  );

  if (config.error) {
    return (
      <CentrePage title={t("setup.title")}>
        <ProblemNote error={config.error} onRetry={() => void config.refetch()} />
      </CentrePage>
    );
  }
  const waiting = signedIn && (!applications.data || !clients.data || !people.data);
  if (!config.data || session.isLoading || (waiting && !applications.error && !clients.error && !people.error)) {
    return (
      <CentrePage title={t("setup.title")}>
        <Loading />
      </CentrePage>
    );
  }
  const standing: Standing = {
    signedIn,
    owner: owner !== undefined || !config.data.needs_set_up,
    applications: applications.data?.items.length ?? 0,
    clients: radius.length,
    people: people.data?.items.length ?? 0,
    logins: logins.data?.items.length ?? 0,
  };
  const isDone = done(standing);
  const now: StepName = codes ? "owner" : signedIn ? (chosen ?? next(standing)) : standing.owner ? "signin" : "owner";
  const go = (s: string) => setChosen(s as StepName);
  const after = (s: StepName) => setChosen(steps[steps.indexOf(s) + 1]);

  const progress = (
    <Steps
      label={t("setup.progress")}
      now={now}
      steps={steps.map((s) => ({ key: s, title: t(`setup.${s}.short`), done: isDone[s] && !(s === "owner" && codes) }))}
      onGo={signedIn && !codes ? (s) => (s === "owner" || s === "signin" ? undefined : go(s)) : undefined}
    />
  );
  const step = codes ? "codes" : now;
  // Whoever comes back to the wizard has an owner already, and perhaps logins.
  const lead = step === "signin" && !owner ? t("setup.signin.again") : t(`setup.${step}.lead`);
  const frame = (content: ReactNode) => (
    <CentrePage wide title={t(`setup.${step}.title`)} lead={lead} key={step} above={progress}>
      {content}
      {signedIn && !codes ? (
        <Text size="sm" c="dimmed" mt="xl">
          {t("setup.later")} <a href="/console">{t("setup.toConsole")}</a>
        </Text>
      ) : null}
    </CentrePage>
  );

  if (codes) return frame(<RecoveryCodes codes={codes} account={owner ?? ""} onDone={() => setCodes(undefined)} />);
  switch (now) {
    case "owner":
      return frame(
        <OwnerStep
          token={token}
          onDone={(name, list) => {
            setOwner(name);
            setCodes(list);
            void config.refetch();
          }}
        />,
      );
    case "signin":
      return frame(
        <SignInForm
          client="console"
          name={owner}
          onDone={(answer: SignIn) => {
            noteSession("console");
            if (answer.session) keepSession(queries, "console", answer.session);
            else void session.refetch();
          }}
        />,
      );
    case "application":
      return frame(
        <ApplicationStep
          existing={applications.data?.items ?? []}
          onDone={(name) => {
            setApplication(name);
            after("application");
          }}
        />,
      );
    case "client":
      return frame(
        <ClientStep
          existing={radius}
          applications={applications.data?.items.map((a) => a.name) ?? []}
          application={application}
          onMade={setClient}
          onDone={() => after("client")}
        />,
      );
    case "person":
      return frame(<PersonStep mayInvite={can(session.data, "account.invite")} onDone={() => after("person")} />);
    case "test":
      return frame(
        <TestStep
          clients={radius.map((c) => c.name)}
          client={firstClient}
          onClient={setClient}
          onDone={() => void navigate({ to: "/console" })}
        />,
      );
  }
}

function OwnerStep({ token, onDone }: { token: string; onDone: (name: string, codes: string[]) => void }) {
  const { t } = useTranslation();
  const [state, setState] = useState<"checking" | "good" | "bad">(token ? "checking" : "bad");
  const [checked, setChecked] = useState<unknown>();
  const [name, setName] = useState("");
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [differ, setDiffer] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  useEffect(() => {
    if (!token) return;
    let gone = false;
    got(api.POST("/v1/set-up/check", { body: { token } })).then(
      () => {
        if (!gone) setState("good");
      },
      (e: unknown) => {
        if (gone) return;
        setChecked(e);
        setState("bad");
      },
    );
    return () => {
      gone = true;
    };
  }, [token]);

  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setDiffer(first !== second);
    if (first !== second) return;
    setBusy(true);
    setError(undefined);
    try {
      const begun = await got(api.POST("/v1/set-up/passkey", { body: { token, name: name.trim(), password: first } }));
      const registration = await makePasskey(begun.options);
      const made = await got(api.POST("/v1/set-up/owner", { body: { token, ceremony: begun.ceremony, registration } }));
      onDone(made.account.name, made.recovery_codes);
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  if (state === "checking") return <Loading />;
  if (state === "bad") {
    const unreachable = checked !== undefined && toProblem(checked).status === 0;
    return (
      <Stack>
        {unreachable ? <ProblemNote error={checked} /> : null}
        {unreachable ? null : (
          <Alert color="yellow" title={token ? t("setup.owner.spent") : t("setup.owner.noLink")}>
            {t("setup.owner.where")}
          </Alert>
        )}
      </Stack>
    );
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <InsecureNote />
        {error instanceof PasskeyError ? <PasskeyNote error={error} /> : <ProblemNote error={error} />}
        <TextInput
          label={t("setup.owner.name")}
          description={t("setup.owner.nameHelp")}
          size="md"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          required
          withAsterisk={false}
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
        />
        <PasswordFields first={first} second={second} differ={differ} setFirst={setFirst} setSecond={setSecond} />
        <Text size="sm" c="dimmed">
          {t("setup.owner.passkey")}
        </Text>
        <Group>
          <Button
            type="submit"
            size="md"
            loading={busy}
            leftSection={<IconKey size={18} aria-hidden />}
            disabled={!name.trim() || !first || !second}
          >
            {t("setup.owner.do")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
