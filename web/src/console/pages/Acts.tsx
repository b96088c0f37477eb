import { Button, Select, Stack, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useEffect, useMemo, useState } from "react";
import type { Act } from "../api/types";
import { useList, useMay, useText } from "../core";
import { useGo, useQueryText } from "../go";
import { spanOf, spans } from "../lib/filter";
import { Acts as List } from "../ui/acts";
import { Empty, Fault, Page, Section, Waiting } from "../ui/kit";

const areas = [
  "account.",
  "authenticator.",
  "bypass.",
  "client.",
  "application.",
  "group.",
  "rule.",
  "trusted-ip.",
  "cache.",
  "role.",
  "api-key.",
  "session.",
  "set-up.",
  "database.",
] as const;

/** Everything that administrators changed. */
export default function Acts() {
  const { t } = useText();
  const may = useMay();
  const go = useGo();
  const search = useQueryText();
  const get = (key: string) => search.get(key) ?? "";
  const set = (key: string, value: string) => {
    const q = new URLSearchParams(search);
    if (value === "") q.delete(key);
    else q.set(key, value);
    go(q.size === 0 ? "/console/acts" : `/console/acts?${q.toString()}`, { replace: true });
  };
  const within = get("within");
  const span = useMemo(() => spanOf(within, new Date()), [within]);
  const list = useList<Act>(
    "/v1/acts",
    {
      actor: get("actor"),
      action: get("action"),
      subject: get("subject"),
      since: span?.since.toISOString(),
      until: span?.until?.toISOString(),
      limit: 50,
    },
    { enabled: may("act.read") },
  );
  const any = ["actor", "action", "subject", "within"].some((k) => get(k) !== "");
  return (
    <Page title={t("acts.title")} lead={t("acts.lead")} permission="act.read">
      <search className="sp-filters" aria-label={t("log.filters")}>
        <Select
          label={t("log.time")}
          data={[{ value: "", label: t("span.any") }, ...spans.map((s) => ({ value: s, label: t(`span.${s}`) }))]}
          value={within}
          onChange={(v) => set("within", v ?? "")}
        />
        <Select
          label={t("acts.area")}
          data={[
            { value: "", label: t("accounts.any") },
            ...areas.map((a) => ({ value: a, label: t(`area.${a.replace(".", "").replaceAll("-", "_")}`) })),
          ]}
          value={get("action")}
          onChange={(v) => set("action", v ?? "")}
          searchable
        />
        <Typed label={t("acts.actor")} value={get("actor")} set={(v) => set("actor", v)} />
        <Typed label={t("acts.subject")} value={get("subject")} set={(v) => set("subject", v)} />
        {any && (
          <Button data-fixed variant="subtle" onClick={() => go("/console/acts")}>
            {t("log.clear")}
          </Button>
        )}
      </search>
      {list.error !== null && <Fault error={list.error} retry={() => void list.refetch()} />}
      {list.data === undefined && list.error === null && <Waiting />}
      {list.data !== undefined && (
        <Section>
          <Stack gap="sm">
            {list.items.length === 0 ? (
              <Empty title={t(within === "yesterday" ? "acts.none_yesterday" : "acts.none")}>{any ? undefined : t("acts.none_help")}</Empty>
            ) : (
              <List acts={list.items} />
            )}
            {list.hasNextPage && (
              <Button variant="default" size="xs" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                {t("act.more")}
              </Button>
            )}
          </Stack>
        </Section>
      )}
    </Page>
  );
}

function Typed(props: { label: string; value: string; set: (v: string) => void }) {
  const [text, setText] = useState(props.value);
  const [settled] = useDebouncedValue(text.trim(), 300);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what was typed is told
  useEffect(() => {
    if (settled !== props.value) props.set(settled);
  }, [settled]);
  return <TextInput label={props.label} value={text} onChange={(e) => setText(e.currentTarget.value)} autoComplete="off" />;
}
