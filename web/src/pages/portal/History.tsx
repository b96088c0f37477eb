import { Button, Text } from "@mantine/core";
import { IconHistory } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, got, keyOf, type MyEvent } from "~/api";
import { type Column, confirm, DataTable, EmptyState, full, Page, Reference, said, Time, toast, useFactorName, Verdict } from "~/ui";

/** One's own sign-ins, each of which can be said to have been somebody else's. */
export function HistoryPage() {
  const { t, i18n } = useTranslation();
  const factor = useFactorName();
  const queries = useQueryClient();
  const events = useInfiniteQuery({
    queryKey: keyOf("/v1/me/events"),
    queryFn: ({ pageParam, signal }) =>
      got(api.GET("/v1/me/events", { params: { query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: "",
    getNextPageParam: (last) => last.next,
  });
  const report = useMutation({
    mutationFn: (reference: string) => got(api.POST("/v1/me/not-me", { body: { reference } })),
    onSuccess: () => {
      // The account is blocked and its sessions are over, this one too.
      queries.clear();
      location.assign("/sign-in?client=portal");
    },
    onError: toast.problem,
  });
  const ask = async (e: MyEvent) => {
    const yes = await confirm({
      title: t("portal.notMe.title"),
      happens: [
        t("portal.notMe.what", { application: e.application || e.client, time: full(new Date(e.time), i18n.language) }),
        t("portal.notMe.block"),
        t("portal.notMe.sessions"),
        t("portal.notMe.told"),
        t("portal.notMe.back"),
      ],
      action: t("portal.notMe.do"),
      danger: true,
    });
    if (yes) report.mutate(e.reference);
  };
  const columns: Column<MyEvent>[] = [
    { key: "time", label: t("portal.history.time"), nowrap: true, cell: (e) => <Time value={e.time} /> },
    { key: "app", label: t("portal.history.application"), primary: true, cell: (e) => applicationName(e, t) },
    {
      key: "verdict",
      label: t("portal.history.result"),
      cell: (e) => (
        <>
          <Verdict verdict={e.verdict} />
          <Text size="sm" c="dimmed" maw="22rem">
            {e.verdict === "accept" ? factor(e.factor) : said(e.message)}
          </Text>
        </>
      ),
    },
    { key: "from", label: t("portal.history.from"), cell: (e) => e.from || e.source || "–" },
    { key: "ref", label: t("ui.reference.name"), nowrap: true, cell: (e) => <Reference value={e.reference} /> },
    {
      key: "do",
      label: "",
      nowrap: true,
      cell: (e) => (
        <Button size="xs" variant="default" loading={report.isPending && report.variables === e.reference} onClick={() => void ask(e)}>
          {t("portal.notMe.button")}
        </Button>
      ),
    },
  ];
  return (
    <Page title={t("portal.history.title")} lead={t("portal.history.lead")}>
      <DataTable
        label={t("portal.history.title")}
        columns={columns}
        rows={events.data?.pages.flatMap((p) => p.items)}
        rowKey={(e) => e.reference}
        loading={events.isPending}
        error={events.error}
        onRetry={() => void events.refetch()}
        more={{ has: events.hasNextPage, load: () => void events.fetchNextPage(), loading: events.isFetchingNextPage }}
        empty={
          <EmptyState icon={IconHistory} title={t("portal.history.none")}>
            {t("portal.history.noneWhat")}
          </EmptyState>
        }
      />
    </Page>
  );
}

function applicationName(e: MyEvent, t: (key: string) => string): string {
  if (e.client === "portal") return t("portal.area");
  if (e.client === "console") return t("portal.history.console");
  return e.application || e.client;
}
