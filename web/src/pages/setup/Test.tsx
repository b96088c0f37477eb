import { Alert, Button, Group, Loader, PasswordInput, Select, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type EventView, got, useApi, type WhyView } from "~/api";
import { Facts, Loading, ProblemNote, Reference, Section, said, Time, Timeline, Verdict } from "~/ui";

interface TestStepProps {
  clients: string[];
  client: string | undefined;
  onClient: (name: string) => void;
  onDone: () => void;
}

/** Waits for the first login at a client and shows how it went; or makes one from here. */
export function TestStep({ clients, client, onClient, onDone }: TestStepProps) {
  const { t } = useTranslation();
  const [seen, setSeen] = useState<EventView>();
  const [broken, setBroken] = useState(false);

  useEffect(() => {
    if (!client) return;
    setSeen(undefined);
    const stream = new EventSource(`/v1/events/stream?client=${encodeURIComponent(client)}`);
    stream.addEventListener("open", () => setBroken(false));
    stream.addEventListener("error", () => setBroken(true));
    stream.addEventListener("logins", (e) => {
      const events = JSON.parse((e as MessageEvent<string>).data) as EventView[];
      // A question in between is not the end of a login; it is shown until the answer comes.
      const last = [...events].sort((a, b) => b.seq - a.seq)[0];
      if (last) setSeen(last);
    });
    return () => stream.close();
  }, [client]);

  if (!client) return <Text>{t("setup.test.noClient")}</Text>;
  return (
    <Stack gap="lg">
      {clients.length > 1 ? (
        <Select label={t("setup.test.client")} data={clients} value={client} onChange={(v) => v && onClient(v)} />
      ) : null}
      <Section title={t("setup.test.live", { client })}>
        {seen ? (
          <Why reference={seen.reference} />
        ) : (
          <Group gap="sm" role="status" wrap="nowrap">
            <Loader size="sm" />
            <Text>{broken ? t("setup.test.broken") : t("setup.test.waiting", { client })}</Text>
          </Group>
        )}
      </Section>
      <TestHere client={client} shown={seen?.reference} />
      <Group>
        <Button type="button" onClick={onDone}>
          {seen?.verdict === "accept" ? t("setup.test.finish") : t("setup.test.toConsole")}
        </Button>
      </Group>
    </Stack>
  );
}

function Why({ reference }: { reference: string }) {
  const why = useApi("/v1/events/{reference}", { params: { path: { reference } } });
  if (why.error) return <ProblemNote error={why.error} onRetry={() => void why.refetch()} />;
  if (!why.data) return <Loading />;
  return <WhyCard why={why.data} />;
}

function WhyCard({ why }: { why: WhyView }) {
  const { t } = useTranslation();
  return (
    <Stack gap="md">
      <Facts
        items={[
          [t("setup.test.result"), <Verdict key="v" verdict={why.verdict} />],
          [t("setup.test.account"), why.account],
          [t("setup.test.time"), <Time key="t" value={why.time} as="full" />],
          [t("ui.reference.name"), <Reference key="r" value={why.reference} />],
          [t("setup.test.person"), said(why.person)],
          [t("setup.test.cause"), why.administrator],
          [t("setup.test.remedy"), why.verdict === "accept" ? undefined : why.remedy],
        ]}
      />
      <Timeline steps={why.trace} />
    </Stack>
  );
}

/** A login as the client would send it, through the same decision. What the stream has shown already is not shown twice. */
function TestHere({ client, shown }: { client: string; shown: string | undefined }) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [state, setState] = useState<string>();
  const [message, setMessage] = useState("");
  const [why, setWhy] = useState<WhyView>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();

  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const evidence = state ? { state, code: code.trim() } : { password };
      const answer = await got(api.POST("/v1/test-logins", { body: { client, name: name.trim(), ...evidence } }));
      setCode("");
      setState(answer.verdict === "challenge" ? answer.state : undefined);
      setMessage(answer.message);
      setWhy(answer.verdict === "challenge" ? undefined : answer.why);
      if (answer.verdict !== "challenge") setPassword("");
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Section title={t("setup.test.here")} lead={t("setup.test.hereLead")}>
      <form onSubmit={submit}>
        <Stack gap="sm">
          <ProblemNote error={error} />
          {state ? (
            <>
              <Alert color="blue" role="status">
                {said(message)}
              </Alert>
              <TextInput
                label={t("signin.code")}
                inputMode="numeric"
                autoComplete="off"
                autoFocus
                required
                withAsterisk={false}
                value={code}
                onChange={(e) => setCode(e.currentTarget.value)}
              />
            </>
          ) : (
            <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
              <TextInput
                label={t("signin.name")}
                autoComplete="off"
                autoCapitalize="none"
                spellCheck={false}
                required
                withAsterisk={false}
                value={name}
                onChange={(e) => setName(e.currentTarget.value)}
              />
              <PasswordInput
                size="sm"
                label={t("signin.password")}
                autoComplete="off"
                value={password}
                visibilityToggleButtonProps={{ "aria-label": t("signin.showPassword") }}
                onChange={(e) => setPassword(e.currentTarget.value)}
              />
            </SimpleGrid>
          )}
          <Group>
            <Button type="submit" variant="default" loading={busy} disabled={state ? !code.trim() : !name.trim()}>
              {state ? t("setup.test.answer") : t("setup.test.try")}
            </Button>
          </Group>
        </Stack>
      </form>
      {why ? (
        <div aria-live="polite">
          <Title order={3} mt="md" mb="xs">
            {t("setup.test.trace")}
          </Title>
          {why.reference === shown ? (
            <Group gap="sm">
              <Verdict verdict={why.verdict} />
              <Text size="sm">{t("setup.test.above", { reference: why.reference })}</Text>
            </Group>
          ) : (
            <WhyCard why={why} />
          )}
        </div>
      ) : null}
    </Section>
  );
}
