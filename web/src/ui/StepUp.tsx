import { Alert, Button, Group, Modal, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "~/api/client";
import { areaOf } from "~/api/session";
import { setStepUp } from "~/api/stepup";
import type { SignIn } from "~/api/views";
import { ProblemNote, Reference } from "./basics";
import { PasskeyError, showPasskey } from "./passkey";
import { PasskeyNote, Said, said } from "./Said";

type Asked = { resolve: (proven: boolean) => void };

/** Shows the dialog in which people prove themselves anew. It stands once in the page. */
export function StepUpHost() {
  const [asked, setAsked] = useState<Asked>();
  useEffect(() => {
    setStepUp(() => new Promise((resolve) => setAsked({ resolve })));
    return () => setStepUp(undefined);
  }, []);
  if (!asked) return null;
  const done = (proven: boolean) => {
    setAsked(undefined);
    asked.resolve(proven);
  };
  return <Dialog done={done} />;
}

function Dialog({ done }: { done: (proven: boolean) => void }) {
  const { t } = useTranslation();
  const client = areaOf(location.pathname);
  const at = { params: { query: { client } } };
  const [way, setWay] = useState<"passkey" | "password" | "code" | undefined>(client === "console" ? "passkey" : undefined);
  const [state, setState] = useState("");
  const [prompt, setPrompt] = useState(""); // what the server asks for: a code, or a code and a PIN
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<SignIn>();
  const [error, setError] = useState<unknown>();

  // At the portal people prove themselves with the best that they hold.
  useEffect(() => {
    if (way) return;
    let gone = false;
    got(api.GET("/v1/me")).then(
      (me) => {
        if (!gone) setWay(me.authenticators.some((a) => a.factor === "passkey" || a.factor === "webauthn") ? "passkey" : "password");
      },
      () => {
        if (!gone) setWay("password");
      },
    );
    return () => {
      gone = true;
    };
  }, [way]);

  const take = async (answer: SignIn): Promise<void> => {
    setTyped("");
    if (answer.verdict === "accept") {
      done(true);
      return;
    }
    if (answer.verdict !== "challenge") {
      setRefused(answer);
      setWay((w) => (w === "code" ? "password" : w));
      return;
    }
    if (answer.ask === "passkey") {
      const assertion = await showPasskey(answer.options);
      await take(await got(api.POST("/v1/session/step-up/continue", { ...at, body: { state: answer.state ?? "", assertion } })));
      return;
    }
    setState(answer.state ?? "");
    setPrompt(answer.message);
    setWay("code");
  };
  const run = async (call: () => Promise<SignIn>) => {
    setBusy(true);
    setError(undefined);
    setRefused(undefined);
    try {
      await take(await call());
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (way === "passkey") void run(() => got(api.POST("/v1/session/step-up", { ...at, body: { passkey: true } })));
    if (way === "password") void run(() => got(api.POST("/v1/session/step-up", { ...at, body: { password: typed } })));
    if (way === "code") void run(() => got(api.POST("/v1/session/step-up/continue", { ...at, body: { state, code: typed.trim() } })));
  };

  return (
    <Modal
      opened
      onClose={() => done(false)}
      title={<Text fw={650}>{t("ui.stepUp.title")}</Text>}
      closeButtonProps={{ "aria-label": t("ui.close") }}
      zIndex={400}
    >
      <form onSubmit={submit}>
        <Stack gap="md">
          <Text>{way === "code" && prompt ? said(prompt) : t("ui.stepUp.why")}</Text>
          {refused ? (
            <Alert color="red" role="alert">
              <Stack gap="sm">
                <Said text={refused.message} />
                {refused.reference ? <Reference value={refused.reference} /> : null}
              </Stack>
            </Alert>
          ) : null}
          {error instanceof PasskeyError ? <PasskeyNote error={error} /> : <ProblemNote error={error} />}
          {way === "password" ? (
            <PasswordInput
              key="password"
              label={t("ui.stepUp.password")}
              autoComplete="current-password"
              required
              withAsterisk={false}
              data-autofocus
              autoFocus
              value={typed}
              onChange={(e) => setTyped(e.currentTarget.value)}
            />
          ) : null}
          {way === "code" ? (
            <TextInput
              key="code"
              label={t("ui.stepUp.code")}
              inputMode="numeric"
              autoComplete="one-time-code"
              required
              withAsterisk={false}
              autoFocus
              value={typed}
              onChange={(e) => setTyped(e.currentTarget.value)}
            />
          ) : null}
          <Group justify="flex-end" gap="sm">
            <Button type="button" variant="default" onClick={() => done(false)}>
              {t("ui.cancel")}
            </Button>
            <Button
              type="submit"
              loading={busy || !way}
              data-autofocus={way === "passkey" || undefined}
              leftSection={way === "passkey" ? <IconKey size={17} aria-hidden /> : undefined}
            >
              {way === "passkey" ? t("ui.stepUp.passkey") : t("ui.next")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
