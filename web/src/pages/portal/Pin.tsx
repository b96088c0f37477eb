import { Button, Group, List, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { IconArrowLeft, IconCircleCheck, IconShieldCheck } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type Enrolment, got, keyOf, type Me, useApi } from "~/api";
import { EmptyState, Loading, Page, ProblemNote, Section } from "~/ui";
import { Part } from "../enrol/EnrolFlow";
import { pinFault } from "../enrol/pin";

type PIN = NonNullable<Me["pin"]>;

/** Where a person sets a PIN, or another one. */
export function PinPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const me = useApi("/v1/me");
  return (
    <Page title={t("portal.pin.title")} lead={t("portal.pin.lead")}>
      {me.error ? <ProblemNote error={me.error} onRetry={() => void me.refetch()} /> : null}
      {me.data ? (
        <Section>
          {me.data.pin ? (
            <PinFlow pin={me.data.pin} />
          ) : (
            <EmptyState
              icon={IconShieldCheck}
              title={t("portal.pin.neither")}
              action={<Button onClick={() => void navigate({ to: "/portal/add" })}>{t("portal.add.title")}</Button>}
            >
              {t("portal.pin.neitherWhat")}
            </EmptyState>
          )}
        </Section>
      ) : me.error ? null : (
        <Loading />
      )}
    </Page>
  );
}

/** Choose, try out, done. A PIN counts only once it has been typed rightly after a code. */
function PinFlow({ pin }: { pin: PIN }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [begun, setBegun] = useState<Enrolment>();
  const [done, setDone] = useState(false);
  const leave = () => void navigate({ to: "/portal" });
  if (done) {
    return (
      <Part title={t("portal.pin.done")} icon={<IconCircleCheck size={34} color="var(--sp-ok)" aria-hidden />}>
        <Stack gap="md">
          <Text>{t("portal.pin.doneWhat")}</Text>
          <Picture />
          <Text c="dimmed">{t("portal.pin.doneOthers")}</Text>
          <Group>
            <Button type="button" onClick={leave}>
              {t("portal.add.back")}
            </Button>
          </Group>
        </Stack>
      </Part>
    );
  }
  if (begun) {
    return (
      <Test
        ceremony={begun.ceremony}
        onBack={() => setBegun(undefined)}
        onDone={() => {
          setDone(true);
          void queries.invalidateQueries({ queryKey: keyOf("/v1/me") });
        }}
      />
    );
  }
  return <Choice pin={pin} onBegun={setBegun} onLeave={leave} />;
}

/** The rules, then the new PIN twice. What the page finds wrong is said at the field; the server's word decides. */
function Choice({ pin, onBegun, onLeave }: { pin: PIN; onBegun: (e: Enrolment) => void; onLeave: () => void }) {
  const { t } = useTranslation();
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [looked, setLooked] = useState(false); // from the first attempt on, faults are said as they come and go
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const field = useRef<HTMLInputElement>(null);
  const again = useRef<HTMLInputElement>(null);
  const bounds = { min: pin.min_digits, max: pin.max_digits };
  const fault = pinFault(first, pin);
  const differ = first !== second;
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setLooked(true);
    setError(undefined);
    if (fault || differ) {
      (fault ? field : again).current?.focus();
      return;
    }
    setBusy(true);
    try {
      onBegun(await got(api.POST("/v1/me/enrolments", { body: { kind: "pin", pin: first } })));
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  const input = {
    size: "md",
    inputMode: "numeric",
    autoComplete: "off", // it is not the password of this site
    maxLength: 64,
    required: true,
    withAsterisk: false,
    visibilityToggleButtonProps: { "aria-label": t("portal.pin.show") },
  } as const;
  return (
    <Part
      title={pin.set ? t("portal.pin.chooseNew") : t("portal.pin.choose")}
      lead={pin.set ? t("portal.pin.chooseNewWhat") : t("portal.pin.chooseWhat")}
    >
      <form onSubmit={submit} noValidate>
        <Stack gap="md" maw="30rem">
          <div>
            <Text fw={620} mb={6} id="pin-rules">
              {t("portal.pin.rules")}
            </Text>
            <List spacing={4} size="sm" aria-labelledby="pin-rules">
              <List.Item>{t("portal.pin.rule.digits", bounds)}</List.Item>
              <List.Item>{t("portal.pin.rule.same")}</List.Item>
              <List.Item>{t("portal.pin.rule.counts")}</List.Item>
              <List.Item>{t("portal.pin.rule.halves")}</List.Item>
              {pin.remembered > 0 ? <List.Item>{t("portal.pin.rule.remembered", { count: pin.remembered })}</List.Item> : null}
            </List>
          </div>
          <ProblemNote error={error} />
          <PasswordInput
            {...input}
            ref={field}
            label={t("portal.pin.new")}
            value={first}
            error={looked && fault ? t(`portal.pin.fault.${fault}`, bounds) : undefined}
            onChange={(e) => setFirst(e.currentTarget.value)}
          />
          <PasswordInput
            {...input}
            ref={again}
            label={t("portal.pin.again")}
            value={second}
            error={looked && !fault && differ ? t("portal.pin.differ") : undefined}
            onChange={(e) => setSecond(e.currentTarget.value)}
          />
          <Group>
            <Button type="submit" loading={busy} disabled={!first || !second}>
              {t("ui.next")}
            </Button>
            <Button type="button" variant="default" onClick={onLeave}>
              {t("ui.cancel")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Part>
  );
}

/** The live test: a code that counts now, and the new PIN after it. */
function Test({ ceremony, onBack, onDone }: { ceremony: string; onBack: () => void; onDone: () => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await got(api.POST("/v1/me/enrolments/confirm", { body: { ceremony, code: typed.replace(/\s/g, "") } }));
      onDone();
    } catch (x) {
      setError(x);
      setTyped("");
    } finally {
      setBusy(false);
    }
  };
  return (
    <Part title={t("portal.pin.test")} lead={t("portal.pin.testWhat")}>
      <form onSubmit={submit}>
        <Stack gap="md" maw="30rem">
          <Picture />
          <ProblemNote error={error} title={t("enrol.test.failed")} />
          <TextInput
            label={t("portal.pin.both")}
            description={t("portal.pin.bothHelp")}
            size="md"
            inputMode="numeric"
            autoComplete="one-time-code"
            spellCheck={false}
            maxLength={64}
            required
            withAsterisk={false}
            value={typed}
            onChange={(e) => setTyped(e.currentTarget.value)}
          />
          <Group>
            <Button type="submit" loading={busy} disabled={!typed.trim()}>
              {t("enrol.test.do")}
            </Button>
            <Button type="button" variant="subtle" color="gray" leftSection={<IconArrowLeft size={16} aria-hidden />} onClick={onBack}>
              {t("portal.pin.other")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Part>
  );
}

/** Code and PIN side by side, for eyes; the sentence beside it says the same. */
function Picture() {
  const { t } = useTranslation();
  return (
    <div className="sp-code-pin" aria-hidden>
      <span>
        <code>123456</code>
        {t("portal.pin.picture.code")}
      </span>
      <span>
        <code>••••••</code>
        {t("portal.pin.picture.pin")}
      </span>
    </div>
  );
}
