import { Alert, Button, Group, PasswordInput, Select, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { said } from "~/ui/Said";
import { call } from "../api/call";
import type { ClientView, Page as Listed, TestLogin } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { Fault, Page, Section, Verdict } from "../ui/kit";
import { Explained } from "../ui/trace";
import classes from "./plain.module.css";

/** A login as a client would bring it, with its trace. */
export default function Test() {
  const { t } = useText();
  const may = useMay();
  const clients = useGet<Listed<ClientView>>("/v1/clients", undefined, { enabled: may("settings.read") });
  const [client, setClient] = useState<string | null>(null);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [from, setFrom] = useState("");
  const [answer, setAnswer] = useState<TestLogin | undefined>();
  const [error, setError] = useState<Error | undefined>();
  const [busy, setBusy] = useState(false);
  const asked = answer?.verdict === "challenge" && answer.state !== undefined;
  const run = async (next: boolean) => {
    setBusy(true);
    setError(undefined);
    try {
      const body = next
        ? { client, name, state: answer?.state, code }
        : {
            client,
            name,
            ...(password === "" ? {} : { password }),
            ...(code === "" ? {} : { code }),
            ...(from.trim() === "" ? {} : { from: from.trim() }),
          };
      setAnswer(await call<TestLogin>("POST", "/v1/test-logins", { body }));
      setCode("");
    } catch (e) {
      setError(e as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Page title={t("test.title")} lead={t("test.lead")} permission="login.test">
      <Section>
        <form
          className={classes.form}
          onSubmit={(e) => {
            e.preventDefault();
            void run(asked);
          }}
        >
          <Stack gap="md">
            <Select
              label={t("event.client")}
              data={(clients.data?.items ?? []).map((c) => ({ value: c.name, label: `${c.name} (${c.application})` }))}
              value={client}
              onChange={setClient}
              required
              searchable
              disabled={asked}
              nothingFoundMessage={t("nothing")}
            />
            <TextInput
              label={t("event.account")}
              value={name}
              onChange={(e) => setName(e.currentTarget.value)}
              required
              disabled={asked}
              autoComplete="off"
              spellCheck={false}
            />
            {!asked && (
              <PasswordInput
                size="sm"
                label={t("test.password")}
                description={t("test.password_help")}
                value={password}
                onChange={(e) => setPassword(e.currentTarget.value)}
                autoComplete="off"
              />
            )}
            <TextInput
              label={t("test.code")}
              description={asked ? said(answer?.message ?? "") : t("test.code_help")}
              value={code}
              onChange={(e) => setCode(e.currentTarget.value)}
              autoComplete="off"
              inputMode="numeric"
              required={asked}
              autoFocus={asked}
            />
            {!asked && (
              <TextInput
                label={t("explain.ip")}
                description={t("explain.ip_help")}
                value={from}
                onChange={(e) => setFrom(e.currentTarget.value)}
              />
            )}
            <Fault error={error ?? clients.error} />
            <Group>
              <Button type="submit" loading={busy} disabled={client === null || name.trim() === ""}>
                {t(asked ? "test.answer" : "test.run")}
              </Button>
              {asked && (
                <Button type="button" variant="default" onClick={() => setAnswer(undefined)}>
                  {t("test.anew")}
                </Button>
              )}
            </Group>
          </Stack>
        </form>
      </Section>
      {answer !== undefined && (
        <Section title={t("test.result")}>
          <Stack gap="md">
            <Alert
              color={answer.verdict === "accept" ? "green" : answer.verdict === "challenge" ? "blue" : "red"}
              title={<Verdict verdict={answer.verdict} />}
              role="status"
            >
              <Text size="sm">{t("test.told", { message: said(answer.message) })}</Text>
            </Alert>
            {answer.why !== undefined && <Explained why={answer.why} />}
          </Stack>
        </Section>
      )}
    </Page>
  );
}
