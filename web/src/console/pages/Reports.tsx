import { Button, SimpleGrid, TextInput } from "@mantine/core";
import { IconChevronRight, IconDownload } from "@tabler/icons-react";
import { useState } from "react";
import { callFile, part, save } from "../api/call";
import type { ReportView } from "../api/types";
import { useList, useMay, useText } from "../core";
import { A, useGo, useName, useQueryText } from "../go";
import { fromLocal, isTime, toLocal } from "../lib/time";
import { AccountLink, Empty, Fault, Go, Page, Reference, Time, Waiting } from "../ui/kit";
import { Rows } from "../ui/Rows";

export const reports = ["usage", "bypassed", "blocked", "fraud", "unenrolled", "expiring", "locked"] as const;

/** Reports over a span of time, to be read here or taken away as CSV. */
export default function Reports() {
  const name = useName();
  return (reports as readonly string[]).includes(name) ? <Report key={name} name={name} /> : <Choice />;
}

function Choice() {
  const { t } = useText();
  return (
    <Page title={t("nav.reports")} lead={t("reports.lead")} permission="report.read">
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} spacing="sm">
        {reports.map((r) => (
          <A key={r} to={`/console/reports/${r}`} className="sp-choice">
            <span style={{ alignSelf: "flex-start" }}>
              <span className="sp-choice-title">{t(`report.${r}`)}</span>
              <span className="sp-choice-text">{t(`report_about.${r}`)}</span>
            </span>
            <IconChevronRight size={18} aria-hidden />
          </A>
        ))}
      </SimpleGrid>
    </Page>
  );
}

function Report({ name }: { name: string }) {
  const { t, n } = useText();
  const may = useMay();
  const go = useGo();
  const search = useQueryText();
  const since = search.get("since") ?? "";
  const until = search.get("until") ?? "";
  const query = { since: since === "" ? undefined : since, until: until === "" ? undefined : until };
  const list = useList<Record<string, string>, ReportView>(
    `/v1/reports/${part(name)}`,
    { ...query, limit: 100 },
    { enabled: may("report.read") },
  );
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  const all = list.data?.pages[0]?.columns ?? [];
  // An outcome's stable name is for programs, who read it as CSV.
  const columns = all.filter((c) => c.kind !== "outcome" || !all.some((x) => x.key === "label"));
  const set = (key: string, value: string | undefined) => {
    const q = new URLSearchParams(search);
    if (value === undefined || value === "") q.delete(key);
    else q.set(key, value);
    go(q.size === 0 ? `/console/reports/${name}` : `/console/reports/${name}?${q.toString()}`, { replace: true });
  };
  const download = async () => {
    setBusy(true);
    setError(undefined);
    try {
      save(await callFile("GET", `/v1/reports/${part(name)}`, "text/csv", { query: { ...query, format: "csv" } }), `sallyport-${name}.csv`);
    } catch (e) {
      setError(e as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Page
      title={t(`report.${name}`)}
      lead={t(`report_about.${name}`)}
      permission="report.read"
      back={{ to: "/console/reports", label: t("nav.reports") }}
      actions={
        <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />} loading={busy} onClick={() => void download()}>
          {t("reports.csv")}
        </Button>
      }
    >
      {(name === "usage" || name === "bypassed" || name === "fraud" || name === "blocked") && (
        <div className="sp-filters">
          <TextInput
            label={t("filter.since")}
            description={t("reports.since_help")}
            type="datetime-local"
            value={since === "" ? "" : toLocal(new Date(since))}
            onChange={(e) => set("since", fromLocal(e.currentTarget.value))}
          />
          <TextInput
            label={t("filter.until")}
            description={t("reports.until_help")}
            type="datetime-local"
            value={until === "" ? "" : toLocal(new Date(until))}
            onChange={(e) => set("until", fromLocal(e.currentTarget.value))}
          />
        </div>
      )}
      <Fault error={error ?? list.error} retry={() => void list.refetch()} />
      {list.data === undefined && list.error === null && <Waiting />}
      {list.data !== undefined && (
        <Rows
          label={t(`report.${name}`)}
          rows={list.items.map((row, i) => ({ row, i }))}
          id={(r) => String(r.i)}
          more={{ has: list.hasNextPage, busy: list.isFetchingNextPage, load: () => void list.fetchNextPage() }}
          foot={t("reports.rows", { count: list.items.length, n: n(list.items.length) })}
          empty={
            <Empty title={t("reports.none")} good={name !== "usage"}>
              {t(`report_none.${name}`)}
            </Empty>
          }
          columns={columns.map((c) => ({
            key: c.key,
            label: t(`column.${name}_${c.key}`, { defaultValue: t(`column.${c.key}`, { defaultValue: c.label }) }),
            number: c.kind === "count",
            render: (r: { row: Record<string, string> }) => <Cell column={c.key} kind={c.kind ?? "text"} row={r.row} />,
          }))}
        />
      )}
    </Page>
  );
}

function Cell({ column, kind, row }: { column: string; kind: string; row: Record<string, string> }) {
  const { t, n, day } = useText();
  const text = row[column] ?? "";
  if (text === "") return <>–</>;
  switch (kind) {
    case "time":
      return isTime(text) ? <Time at={text} form="exact" /> : text;
    case "date":
      return isTime(text) ? day(text) : text;
    case "count":
      return <>{Number.isNaN(Number(text)) ? text : n(Number(text))}</>;
    case "account":
      return <AccountLink name={text} />;
    case "client":
      if (text === "console" || text === "portal") return <>{text}</>; // our own, which have no settings
      return <Go to={`/console/clients/${part(text)}`}>{text}</Go>;
    case "reference":
      return <Reference value={text} />;
    case "factor":
      return <>{t(`factor.${text}`, { defaultValue: text })}</>;
  }
  switch (column) {
    case "action":
      return <>{t(`action.${text.replace(".", "_")}`, { defaultValue: text })}</>;
    case "role":
      return <>{t(`role.name.${text}`, { defaultValue: text })}</>;
    case "enabled":
    case "blocked":
      return <>{text === "yes" || text === "no" ? t(text) : text}</>;
    case "what":
      return <>{t(`expires.${text}`, { defaultValue: text })}</>;
    case "state":
      return <>{text === "stopped" || text === "waiting" ? t(`account.${text}`) : text}</>;
    default:
      return <>{text}</>;
  }
}
