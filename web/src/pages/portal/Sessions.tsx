import { Button, Group, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, got, keyOf, type SessionItem, useApi } from "~/api";
import { type Column, DataTable, Page, Status, Time, toast, useFactorName } from "~/ui";
import { browserOf } from "./agent";

/** The browsers in which one is signed in. */
export function SessionsPage() {
  const { t } = useTranslation();
  const factor = useFactorName();
  const queries = useQueryClient();
  const sessions = useApi("/v1/me/sessions");
  const end = useMutation({
    mutationFn: (id: string) => got(api.DELETE("/v1/me/sessions/{id}", { params: { path: { id } } })),
    onSuccess: () => {
      toast.ok(t("portal.sessions.ended"));
      return queries.invalidateQueries({ queryKey: keyOf("/v1/me/sessions") });
    },
    onError: toast.problem,
  });
  const columns: Column<SessionItem>[] = [
    {
      key: "what",
      label: t("portal.sessions.browser"),
      primary: true,
      cell: (s) => (
        <Group gap="sm">
          <Text size="sm" fw={600} title={s.agent}>
            {browserOf(s.agent) || t("portal.sessions.unknown")}
          </Text>
          {s.current ? <Status tone="ok">{t("portal.sessions.this")}</Status> : null}
        </Group>
      ),
    },
    { key: "where", label: t("portal.sessions.where"), cell: (s) => t(`portal.sessions.client.${s.client}`, { defaultValue: s.client }) },
    { key: "source", label: t("portal.sessions.source"), cell: (s) => s.source },
    { key: "factor", label: t("portal.history.factor"), cell: (s) => factor(s.factor) },
    { key: "created", label: t("portal.sessions.since"), nowrap: true, cell: (s) => <Time value={s.created} /> },
    { key: "seen", label: t("portal.sessions.seen"), nowrap: true, cell: (s) => <Time value={s.seen} as="relative" /> },
    {
      key: "end",
      label: "",
      nowrap: true,
      cell: (s) =>
        s.current ? null : (
          <Button size="xs" variant="default" loading={end.isPending && end.variables === s.id} onClick={() => end.mutate(s.id)}>
            {t("portal.sessions.end")}
          </Button>
        ),
    },
  ];
  return (
    <Page title={t("portal.sessions.title")} lead={t("portal.sessions.lead")}>
      <DataTable
        label={t("portal.sessions.title")}
        columns={columns}
        rows={sessions.data?.items}
        rowKey={(s) => s.id}
        loading={sessions.isPending}
        error={sessions.error}
        onRetry={() => void sessions.refetch()}
      />
    </Page>
  );
}
