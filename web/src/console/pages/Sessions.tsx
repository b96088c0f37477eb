import type { SessionRow } from "../api/types";
import { useList, useMay, useText } from "../core";
import { Fault, Page, Waiting } from "../ui/kit";
import { SessionRows } from "../ui/SessionRows";

export default function Sessions() {
  const { t } = useText();
  const may = useMay();
  const list = useList<SessionRow>("/v1/sessions", undefined, { enabled: may("session.read"), every: 30_000 });
  return (
    <Page title={t("sessions.title")} lead={t("sessions.lead")} permission="session.read">
      {list.error !== null && <Fault error={list.error} retry={() => void list.refetch()} />}
      {list.data === undefined && list.error === null && <Waiting />}
      {list.data !== undefined && (
        <SessionRows
          rows={list.items}
          more={{ has: list.hasNextPage, busy: list.isFetchingNextPage, load: () => void list.fetchNextPage() }}
        />
      )}
    </Page>
  );
}
