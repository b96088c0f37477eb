import { IconDevices, IconHistory, IconKey } from "@tabler/icons-react";
import { Navigate, Outlet } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { toProblem, useSession, useSignOut } from "~/api";
import { CentrePage, Frame, Loading, ProblemNote, toast } from "~/ui";

/** The frame of the portal; whoever is not signed in is led to the sign-in page and back. */
export function Portal() {
  const { t } = useTranslation();
  const session = useSession("portal");
  const signOut = useSignOut("portal");
  if (session.isPending) return <Loading />;
  if (session.error && !session.data) {
    if (toProblem(session.error).status === 401) return <Loading />; // the way to the sign-in page has begun, see App
    return (
      <CentrePage title={t("portal.area")}>
        <ProblemNote error={session.error} onRetry={() => void session.refetch()} />
      </CentrePage>
    );
  }
  if (session.data?.enrolling) return <Navigate to="/enrol" replace />;
  return (
    <Frame
      area={t("portal.area")}
      home="/portal"
      account={session.data?.name}
      onSignOut={() => void signOut().catch(toast.problem)}
      nav={[
        {
          items: [
            { to: "/portal", label: t("portal.nav.home"), icon: IconKey, exact: true, also: ["/portal/add", "/portal/pin"] },
            { to: "/portal/history", label: t("portal.nav.history"), icon: IconHistory },
            { to: "/portal/sessions", label: t("portal.nav.sessions"), icon: IconDevices },
          ],
        },
      ]}
    >
      <Outlet />
    </Frame>
  );
}
