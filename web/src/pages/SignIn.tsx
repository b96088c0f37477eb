import { Alert, Button, Divider, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { IconArrowLeft, IconKey } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Area, api, got, keepSession, landing, type SignIn, useApi } from "~/api";
import { CentrePage, PasskeyError, PasskeyNote, ProblemNote, Reference, said, showPasskey } from "~/ui";
import { noteSession } from "./signedIn";

const nameKept = "sallyport.name";

function lastName(): string {
  try {
    return localStorage.getItem(nameKept) ?? "";
  } catch {
    return "";
  }
}

function keepName(name: string): void {
  try {
    localStorage.setItem(nameKept, name);
  } catch {
    // It will be typed again, then.
  }
}

/** Signs in to the console, the portal, or an application behind a reverse proxy. */
export function SignInPage() {
  const { t } = useTranslation();
  const search = useSearch({ strict: false }) as { client?: string; to?: string; return_to?: string };
  const client = search.client || "portal";
  // Where to go on these pages is for this page to say; at an application behind a proxy, the server judges it.
  const own = client === "console" || client === "portal";
  const navigate = useNavigate();
  const queries = useQueryClient();
  const config = useApi("/v1/config");
  const needsSetUp = config.data?.needs_set_up ?? false;

  const done = (answer: SignIn, name: string) => {
    keepName(name);
    if (!answer.session && answer.redirect) {
      location.assign(answer.redirect); // to the application, with its ticket
      return;
    }
    const area: Area = client === "console" ? "console" : "portal";
    if (answer.session) {
      keepSession(queries, area, answer.session);
      noteSession(area);
    }
    void navigate({ href: landing(area, search.to ?? search.return_to), replace: true });
  };

  const title = client === "console" ? t("signin.console") : client === "portal" ? t("signin.portal") : t("signin.client", { client });
  const lead = config.data?.issuer ? t("signin.at", { issuer: config.data.issuer }) : undefined;
  return (
    <CentrePage title={title} lead={lead}>
      {needsSetUp ? (
        <Alert color="blue" mb="md" title={t("signin.notSetUp.title")}>
          {t("signin.notSetUp.what")}
        </Alert>
      ) : null}
      <SignInForm client={client} returnTo={own ? undefined : search.return_to} onDone={done} />
    </CentrePage>
  );
}

interface SignInFormProps {
  client: string;
  returnTo?: string;
  /** A name that is known already. */
  name?: string;
  onDone: (answer: SignIn, name: string) => void;
}

/** Name, then a passkey, or a password and a code. A reject is an answer: it is shown with its reference. */
export function SignInForm({ client, returnTo, name: given, onDone }: SignInFormProps) {
  const { t } = useTranslation();
  const onlyPasskey = client === "console";
  const [name, setName] = useState(given ?? lastName());
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [asked, setAsked] = useState<SignIn>(); // a challenge for a code
  const [refused, setRefused] = useState<SignIn>();
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState<"passkey" | "password" | "code">();
  const stop = useRef<HTMLDivElement>(null);
  const secret = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (refused) stop.current?.focus();
  }, [refused]);

  const take = async (answer: SignIn): Promise<void> => {
    switch (answer.verdict) {
      case "accept":
        onDone(answer, name.trim());
        return;
      case "challenge":
        if (answer.ask === "passkey") {
          const assertion = await showPasskey(answer.options);
          const body = { client, name: name.trim(), state: answer.state ?? "", assertion, return_to: returnTo };
          await take(await got(api.POST("/v1/sign-in/continue", { body })));
          return;
        }
        setCode("");
        setAsked(answer);
        return;
      case "reject":
        setPassword("");
        setCode("");
        setAsked(undefined);
        setRefused(answer);
        return;
    }
  };
  const run = async (what: "passkey" | "password" | "code", call: () => Promise<SignIn>) => {
    setBusy(what);
    setError(undefined);
    setRefused(undefined);
    try {
      await take(await call());
    } catch (e) {
      setError(e);
    } finally {
      setBusy(undefined);
    }
  };
  const first = (evidence: { passkey: true } | { password: string }) =>
    got(api.POST("/v1/sign-in", { body: { client, name: name.trim(), ...evidence, return_to: returnTo } }));

  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (asked) {
      const body = { client, name: name.trim(), state: asked.state ?? "", code: code.trim(), return_to: returnTo };
      void run("code", () => got(api.POST("/v1/sign-in/continue", { body })));
    } else if (onlyPasskey) {
      void run("passkey", () => first({ passkey: true }));
    } else if (!password) {
      secret.current?.focus();
    } else {
      void run("password", () => first({ password }));
    }
  };
  const trouble = error instanceof PasskeyError ? <PasskeyNote error={error} /> : <ProblemNote error={error} />;

  if (refused) {
    return (
      <div ref={stop} tabIndex={-1} role="alert">
        <Stack gap="md">
          <Alert color="red" title={t("signin.refused")}>
            {said(refused.message)}
          </Alert>
          {refused.reference ? <Reference big value={refused.reference} /> : null}
          <Button type="button" onClick={() => setRefused(undefined)}>
            {t("signin.again")}
          </Button>
        </Stack>
      </div>
    );
  }
  if (asked) {
    return (
      <form onSubmit={submit}>
        <Stack gap="md">
          <Text>{said(asked.message)}</Text>
          {trouble}
          <TextInput
            label={t("signin.code")}
            description={t("signin.codeHelp")}
            size="md"
            inputMode="numeric"
            autoComplete="one-time-code"
            spellCheck={false}
            autoFocus
            required
            withAsterisk={false}
            value={code}
            onChange={(e) => setCode(e.currentTarget.value)}
          />
          <Button type="submit" size="md" loading={busy === "code"}>
            {t("signin.do")}
          </Button>
          <Button
            type="button"
            variant="subtle"
            color="gray"
            leftSection={<IconArrowLeft size={16} aria-hidden />}
            onClick={() => {
              setAsked(undefined);
              setPassword("");
            }}
          >
            {t("signin.back")}
          </Button>
        </Stack>
      </form>
    );
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {trouble}
        <TextInput
          label={t("signin.name")}
          size="md"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus={!name}
          required
          withAsterisk={false}
          readOnly={given !== undefined}
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
        />
        <Button
          type={onlyPasskey ? "submit" : "button"}
          size="md"
          leftSection={<IconKey size={18} aria-hidden />}
          loading={busy === "passkey"}
          onClick={(e) => {
            if (onlyPasskey || !e.currentTarget.form?.reportValidity()) return;
            void run("passkey", () => first({ passkey: true }));
          }}
        >
          {t("signin.withPasskey")}
        </Button>
        {onlyPasskey ? (
          <Text size="sm" c="dimmed">
            {t("signin.consoleHelp")} <a href="/sign-in?client=portal">{t("signin.toPortal")}</a>
          </Text>
        ) : (
          <>
            <Divider label={t("signin.or")} />
            <PasswordInput
              label={t("signin.password")}
              autoComplete="current-password"
              ref={secret}
              value={password}
              visibilityToggleButtonProps={{ "aria-label": t("signin.showPassword") }}
              onChange={(e) => setPassword(e.currentTarget.value)}
            />
            <Button type="submit" size="md" variant="default" loading={busy === "password"}>
              {t("signin.withPassword")}
            </Button>
            {client === "portal" ? (
              <Text size="sm" c="dimmed">
                {t("signin.invited")} <a href="/enrol">{t("signin.invitedLink")}</a>
              </Text>
            ) : null}
          </>
        )}
      </Stack>
    </form>
  );
}
