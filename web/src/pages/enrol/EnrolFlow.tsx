import { Alert, Anchor, Button, Collapse, Group, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconArrowLeft, IconCalculator, IconChevronRight, IconCircleCheck, IconDeviceMobile, IconKey } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type ComponentType, type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type Enrolled, type Enrolment, got, keyOf, type Me, ProblemError } from "~/api";
import { CopyButton, makePasskey, PasskeyError, PasskeyNote, ProblemNote, Qr, RecoveryCodes } from "~/ui";
import { grouped, readSecret } from "./secret";

export type Kind = "oath" | "passkey" | "token";

interface EnrolFlowProps {
  me: Me;
  /** Leads away from the choice of a method; none if there is nowhere else to go. */
  onLeave?: () => void;
  onDone: () => void;
  doneLabel: string;
}

/**
 * Adds one authenticator: choose, set up, try it out, keep the recovery codes.
 * An authenticator exists only once it has passed its test.
 */
export function EnrolFlow({ me, onLeave, onDone, doneLabel }: EnrolFlowProps) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [needsPassword, setNeedsPassword] = useState(!me.has_password);
  const [kind, setKind] = useState<Kind>();
  const [enrolled, setEnrolled] = useState<Enrolled>();
  const [kept, setKept] = useState(false);

  const finish = (e: Enrolled) => {
    setEnrolled(e);
    void queries.invalidateQueries({ queryKey: keyOf("/v1/me") });
  };
  if (needsPassword) {
    return (
      <Part title={t("enrol.password.title")} lead={t("enrol.password.why")}>
        <NewPassword onDone={() => setNeedsPassword(false)} />
      </Part>
    );
  }
  if (enrolled?.recovery_codes?.length && !kept) {
    return (
      <Part title={t("enrol.codes.title")} lead={t("enrol.codes.why")}>
        <RecoveryCodes codes={enrolled.recovery_codes} account={me.name} onDone={() => setKept(true)} />
      </Part>
    );
  }
  if (enrolled) {
    return (
      <Part title={t("enrol.done.title")} icon={<IconCircleCheck size={34} color="var(--sp-ok)" aria-hidden />}>
        <Text mb="lg">
          {t("enrol.done.what", { name: enrolled.authenticator.label || t(`ui.factor.${enrolled.authenticator.factor}`) })}
        </Text>
        <Group>
          <Button type="button" onClick={onDone}>
            {doneLabel}
          </Button>
          <Button
            type="button"
            variant="default"
            onClick={() => {
              setEnrolled(undefined);
              setKind(undefined);
              setKept(false);
            }}
          >
            {t("enrol.done.another")}
          </Button>
        </Group>
      </Part>
    );
  }
  const back = () => setKind(undefined);
  switch (kind) {
    case "oath":
      return <App me={me} onBack={back} onDone={finish} />;
    case "passkey":
      return <Passkey onBack={back} onDone={finish} />;
    case "token":
      return <Token me={me} onBack={back} onDone={finish} />;
    case undefined:
      return <Choice me={me} onChoose={setKind} onLeave={onLeave} />;
  }
}

/** One step, with its heading; the focus goes there when the step comes up. */
export function Part({ title, lead, icon, children }: { title: string; lead?: ReactNode; icon?: ReactNode; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <div>
      <Group gap="sm" mb={4} wrap="nowrap">
        {icon}
        <Title order={2} ref={heading} tabIndex={-1}>
          {title}
        </Title>
      </Group>
      {lead ? (
        <Text c="dimmed" mb="md">
          {lead}
        </Text>
      ) : null}
      {children}
    </div>
  );
}

function Choice({ me, onChoose, onLeave }: { me: Me; onChoose: (k: Kind) => void; onLeave?: () => void }) {
  const { t } = useTranslation();
  const kinds: [Kind, ComponentType<{ size?: number; "aria-hidden"?: boolean }>][] = [
    ["oath", IconDeviceMobile],
    ["passkey", IconKey],
    ["token", IconCalculator],
  ];
  const possible = kinds.filter(([k]) => !me.enrollable || me.enrollable.includes(k));
  return (
    <Part title={t("enrol.choose.title")} lead={me.replacing ? t("enrol.choose.replacing") : t("enrol.choose.why")}>
      <Stack gap="sm">
        {possible.map(([k, Icon]) => (
          <button key={k} type="button" className="sp-choice" onClick={() => onChoose(k)}>
            <Icon size={28} aria-hidden />
            <span>
              <span className="sp-choice-title">{t(`enrol.choose.${k}.title`)}</span>
              <span className="sp-choice-text">{t(`enrol.choose.${k}.what`)}</span>
            </span>
            <IconChevronRight size={20} aria-hidden />
          </button>
        ))}
        {onLeave ? (
          <Group>
            <Button type="button" variant="default" onClick={onLeave}>
              {t("ui.cancel")}
            </Button>
          </Group>
        ) : null}
      </Stack>
    </Part>
  );
}

interface MethodProps {
  onBack: () => void;
  onDone: (e: Enrolled) => void;
}

function Back({ onBack }: { onBack: () => void }) {
  const { t } = useTranslation();
  return (
    <div>
      <Button type="button" variant="subtle" color="gray" leftSection={<IconArrowLeft size={16} aria-hidden />} onClick={onBack}>
        {t("enrol.other")}
      </Button>
    </div>
  );
}

function App({ me, onBack, onDone }: MethodProps & { me: Me }) {
  const { t } = useTranslation();
  const [enrolment, setEnrolment] = useState<Enrolment>();
  const [error, setError] = useState<unknown>();
  const [typed, setTyped] = useState(false);
  const [attempt, setAttempt] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt asks anew
  useEffect(() => {
    let gone = false;
    got(api.POST("/v1/me/enrolments", { body: { kind: "oath" } })).then(
      (e) => {
        if (!gone) setEnrolment(e);
      },
      (e: unknown) => {
        if (!gone) setError(e);
      },
    );
    return () => {
      gone = true;
    };
  }, [attempt]);

  if (error) {
    return (
      <Stack>
        <ProblemNote
          error={error}
          onRetry={() => {
            setError(undefined);
            setAttempt((n) => n + 1);
          }}
        />
        <Back onBack={onBack} />
      </Stack>
    );
  }
  const uri = enrolment?.uri;
  const secret = enrolment?.secret ?? readSecret(uri);
  return (
    <Part title={t("enrol.oath.title")} lead={t("enrol.oath.lead")}>
      <Stack gap="lg">
        <div>
          <Text fw={620} mb={6}>
            {t("enrol.oath.scan")}
          </Text>
          <div style={{ minHeight: "15rem" }}>{uri ? <Qr value={uri} label={t("enrol.oath.qr", { name: me.name })} /> : null}</div>
          <Group gap="md" mt="sm">
            {uri ? (
              <Anchor href={uri} size="sm" underline="always">
                {t("enrol.oath.here")}
              </Anchor>
            ) : null}
            <Anchor component="button" type="button" size="sm" underline="always" aria-expanded={typed} onClick={() => setTyped(!typed)}>
              {t("enrol.oath.cannotScan")}
            </Anchor>
          </Group>
          <Collapse expanded={typed}>
            <Text size="sm" mt="sm">
              {t("enrol.oath.type")}
            </Text>
            <div className="sp-secret">
              <code>{grouped(secret)}</code>
              <CopyButton value={secret} label={t("enrol.oath.copySecret")} />
            </div>
            <Text size="sm" c="dimmed" mt={4}>
              {t("enrol.oath.typeHow")}
            </Text>
          </Collapse>
        </div>
        <CodeTest me={me} ceremony={enrolment?.ceremony} label={t("enrol.oath.code")} help={t("enrol.oath.codeHelp")} onDone={onDone} />
        <Back onBack={onBack} />
      </Stack>
    </Part>
  );
}

/** The live test: a code that works now, by itself even if its owner has a PIN. */
function CodeTest(props: { me: Me; ceremony?: string; label: string; help: string; two?: boolean; onDone: (e: Enrolled) => void }) {
  const { t } = useTranslation();
  const [code, setCode] = useState("");
  const [second, setSecond] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    if (!props.ceremony) return;
    setBusy(true);
    setError(undefined);
    try {
      const body = {
        ceremony: props.ceremony,
        code: code.replace(/\s/g, ""),
        ...(second ? { second_code: second.replace(/\s/g, "") } : {}),
      };
      props.onDone(await got(api.POST("/v1/me/enrolments/confirm", { body })));
    } catch (x) {
      setError(x);
      setCode("");
      setSecond("");
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <ProblemNote error={error} title={t("enrol.test.failed")} />
        <TextInput
          label={props.label}
          description={props.me.pin?.set ? `${props.help} ${t("enrol.test.withoutPin")}` : props.help}
          size="md"
          inputMode="numeric"
          autoComplete="one-time-code"
          maxLength={64}
          required
          withAsterisk={false}
          value={code}
          onChange={(e) => setCode(e.currentTarget.value)}
        />
        {props.two ? (
          <TextInput
            label={t("enrol.token.second")}
            description={t("enrol.token.secondHelp")}
            size="md"
            inputMode="numeric"
            autoComplete="off"
            maxLength={64}
            value={second}
            onChange={(e) => setSecond(e.currentTarget.value)}
          />
        ) : null}
        <Group>
          <Button type="submit" loading={busy} disabled={!props.ceremony || !code.trim()}>
            {t("enrol.test.do")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Passkey({ onBack, onDone }: MethodProps) {
  const { t } = useTranslation();
  const [label, setLabel] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const begun = await got(
        api.POST("/v1/me/enrolments", { body: { kind: "passkey", ...(label.trim() ? { label: label.trim() } : {}) } }),
      );
      const registration = await makePasskey(begun.options);
      onDone(await got(api.POST("/v1/me/enrolments/confirm", { body: { ceremony: begun.ceremony, registration } })));
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Part title={t("enrol.passkey.title")} lead={t("enrol.passkey.lead")}>
      <form onSubmit={submit}>
        <Stack gap="md">
          {error instanceof PasskeyError ? <PasskeyNote error={error} /> : <ProblemNote error={error} />}
          <TextInput
            label={t("enrol.passkey.name")}
            description={t("enrol.passkey.nameHelp")}
            maxLength={64}
            value={label}
            onChange={(e) => setLabel(e.currentTarget.value)}
          />
          <Group>
            <Button type="submit" loading={busy} leftSection={<IconKey size={17} aria-hidden />}>
              {t("enrol.passkey.do")}
            </Button>
            <Back onBack={onBack} />
          </Group>
        </Stack>
      </form>
    </Part>
  );
}

function Token({ me, onBack, onDone }: MethodProps & { me: Me }) {
  const { t } = useTranslation();
  const [serial, setSerial] = useState("");
  const [ceremony, setCeremony] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      setCeremony((await got(api.POST("/v1/me/enrolments", { body: { kind: "token", serial: serial.trim() } }))).ceremony);
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Part title={t("enrol.token.title")} lead={t("enrol.token.lead")}>
      <Stack gap="lg">
        {ceremony ? (
          <>
            <Text>{t("enrol.token.found", { serial: serial.trim() })}</Text>
            <CodeTest two me={me} ceremony={ceremony} label={t("enrol.token.code")} help={t("enrol.token.codeHelp")} onDone={onDone} />
          </>
        ) : (
          <form onSubmit={submit}>
            <Stack gap="sm">
              <ProblemNote error={error} />
              <TextInput
                label={t("enrol.token.serial")}
                description={t("enrol.token.serialHelp")}
                size="md"
                autoComplete="off"
                spellCheck={false}
                maxLength={64}
                required
                withAsterisk={false}
                value={serial}
                onChange={(e) => setSerial(e.currentTarget.value)}
              />
              <Group>
                <Button type="submit" loading={busy} disabled={!serial.trim()}>
                  {t("ui.next")}
                </Button>
              </Group>
            </Stack>
          </form>
        )}
        <Back onBack={onBack} />
      </Stack>
    </Part>
  );
}

/** Asks for a new password twice and sets it. */
export function NewPassword({ onDone, onCancel }: { onDone: () => void; onCancel?: () => void }) {
  const { t } = useTranslation();
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [differ, setDiffer] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setDiffer(first !== second);
    if (first !== second) return;
    setBusy(true);
    setError(undefined);
    try {
      await got(api.PUT("/v1/me/password", { body: { password: first } }));
      onDone();
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {error instanceof ProblemError && error.is("step-up") ? null : <ProblemNote error={error} />}
        <PasswordFields first={first} second={second} differ={differ} setFirst={setFirst} setSecond={setSecond} />
        <Group>
          <Button type="submit" loading={busy} disabled={!first || !second}>
            {t("enrol.password.do")}
          </Button>
          {onCancel ? (
            <Button type="button" variant="default" onClick={onCancel}>
              {t("ui.cancel")}
            </Button>
          ) : null}
        </Group>
      </Stack>
    </form>
  );
}

export function PasswordFields(props: {
  first: string;
  second: string;
  differ: boolean;
  setFirst: (s: string) => void;
  setSecond: (s: string) => void;
}) {
  const { t } = useTranslation();
  const show = { "aria-label": t("signin.showPassword") };
  return (
    <>
      <PasswordInput
        label={t("enrol.password.new")}
        description={t("enrol.password.rule")}
        autoComplete="new-password"
        required
        withAsterisk={false}
        value={props.first}
        visibilityToggleButtonProps={show}
        onChange={(e) => props.setFirst(e.currentTarget.value)}
      />
      <PasswordInput
        label={t("enrol.password.again")}
        autoComplete="new-password"
        required
        withAsterisk={false}
        value={props.second}
        visibilityToggleButtonProps={show}
        error={props.differ && props.first !== props.second ? t("enrol.password.differ") : undefined}
        onChange={(e) => props.setSecond(e.currentTarget.value)}
      />
    </>
  );
}

/** A note for browsers in which no passkey can be made, before anybody tries. */
export function InsecureNote() {
  const { t } = useTranslation();
  if (window.isSecureContext) return null;
  return (
    <Alert color="yellow" title={t("ui.passkey.insecure.title")}>
      {t("ui.passkey.insecure.what")}
    </Alert>
  );
}
