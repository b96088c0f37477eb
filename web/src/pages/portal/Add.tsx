import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useApi } from "~/api";
import { Loading, Page, ProblemNote, Section } from "~/ui";
import { EnrolFlow, InsecureNote } from "../enrol/EnrolFlow";

/** Adds one more way to sign in. */
export function AddPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const me = useApi("/v1/me");
  const home = () => void navigate({ to: "/portal" });
  return (
    <Page title={t("portal.add.title")}>
      <InsecureNote />
      {me.error ? <ProblemNote error={me.error} onRetry={() => void me.refetch()} /> : null}
      {me.data ? (
        <Section>
          <EnrolFlow me={me.data} onLeave={home} onDone={home} doneLabel={t("portal.add.back")} />
        </Section>
      ) : me.error ? null : (
        <Loading />
      )}
    </Page>
  );
}
