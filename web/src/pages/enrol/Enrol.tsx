import { Alert, Button, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got, keepSession, useApi, useSession } from "~/api";
import { CentrePage, Loading, ProblemNote } from "~/ui";
import { forgetSession, noteSession, useOwnSession } from "../signedIn";
import { EnrolFlow, InsecureNote } from "./EnrolFlow";
import { takeFragment } from "./secret";

/** Where invitations lead: redeem it, then set up how one signs in from now on. */
export function EnrolPage() {
  const { t } = useTranslation();
  const config = useApi("/v1/config");
  const [secret] = useState(takeFragment);
  const [redeemed, setRedeemed] = useState(false);
  const session = useOwnSession("portal");
  // A page that is loaded again goes on where it was, while the session lasts.
  const going = redeemed || (!secret && session.data?.enrolling);
  const lead = config.data?.issuer ? t("enrol.lead", { issuer: config.data.issuer }) : undefined;
  return (
    <CentrePage title={t("enrol.title")} lead={going ? undefined : lead} wide={going}>
      <InsecureNote />
      {session.isLoading && !secret ? <Loading /> : going ? <Enrolling /> : <Redeem secret={secret} onDone={() => setRedeemed(true)} />}
    </CentrePage>
  );
}

function Redeem({ secret, onDone }: { secret: string; onDone: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [code, setCode] = useState("");
  const [byCode, setByCode] = useState(!secret);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const body = byCode ? { name: name.trim(), code: code.replace(/[\s-]/g, "") } : { secret };
      const { session } = await got(api.POST("/v1/invitations/redeem", { body }));
      keepSession(queries, "portal", session);
      noteSession("portal");
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
        <ProblemNote error={error} title={t("enrol.redeem.failed")} />
        {byCode ? (
          <>
            <TextInput
              label={t("signin.name")}
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
            <TextInput
              label={t("enrol.redeem.code")}
              description={t("enrol.redeem.codeHelp")}
              size="md"
              autoComplete="off"
              autoCapitalize="characters"
              spellCheck={false}
              maxLength={12}
              required
              withAsterisk={false}
              value={code}
              onChange={(e) => setCode(e.currentTarget.value)}
            />
          </>
        ) : (
          <Text>{t("enrol.redeem.link")}</Text>
        )}
        <Button type="submit" size="md" loading={busy} disabled={byCode && (!name.trim() || !code.trim())}>
          {t("enrol.redeem.do")}
        </Button>
        {!byCode && error ? (
          <Button type="button" variant="subtle" onClick={() => setByCode(true)}>
            {t("enrol.redeem.byCode")}
          </Button>
        ) : null}
        <Text size="sm" c="dimmed">
          {t("enrol.redeem.none")} <a href="/portal">{t("enrol.redeem.portal")}</a>
        </Text>
      </Stack>
    </form>
  );
}

function Enrolling() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const me = useApi("/v1/me");
  const session = useSession("portal");
  if (me.error) return <ProblemNote error={me.error} onRetry={() => void me.refetch()} />;
  if (!me.data) return <Loading />;
  return (
    <>
      <Alert color="blue" mb="lg">
        {t("enrol.who", { name: me.data.name })}
      </Alert>
      <EnrolFlow
        me={me.data}
        doneLabel={t("enrol.done.portal")}
        onDone={() => {
          // What an invitation began may do no more than enrol; from here on people sign in.
          const leave = () => {
            forgetSession("portal");
            location.assign("/sign-in?client=portal");
          };
          if (session.data?.enrolling) void api.DELETE("/v1/session", { params: { query: { client: "portal" } } }).then(leave, leave);
          else void navigate({ to: "/portal" });
        }}
      />
    </>
  );
}
