// biome-ignore-all lint/a11y/useFocusableInteractive: of a grid the rows take the focus, not its cells
// biome-ignore-all lint/a11y/useKeyWithClickEvents: the grid hears the keys of its rows
// The sign-in log: what happens now, and what happened, filtered by anything.
import { ActionIcon, Alert, Button, Drawer, Group, Menu, Pill, Select, Stack, Switch, Text, TextInput, Tooltip } from "@mantine/core";
import { IconArrowUp, IconExternalLink, IconFilterPlus, IconPlayerPause, IconPlayerPlay, IconX } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { call, part } from "../api/call";
import type { Application, ClientView, EventPage, EventView, Page as Listed, OutcomeView, RuleView, WhyView } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { A, useGo, useQueryText } from "../go";
import { type Filter, type FilterKey, filterKeys, filterQuery, isOver, parseFilter, spans, withFilter } from "../lib/filter";
import { LiveBuffer } from "../lib/live";
import { follow } from "../lib/stream";
import { fromLocal, toLocal } from "../lib/time";
import { Answered, Copy, Empty, Fault, Mono, Page, Verdict, Waiting } from "../ui/kit";
import { Explained } from "../ui/trace";
import classes from "./SignIns.module.css";

const pageSize = 200;

export default function SignIns() {
  const { t } = useText();
  return (
    <Page title={t("log.title")} lead={t("log.lead")} permission="event.read">
      <Log />
    </Page>
  );
}

function Log() {
  const { t, n, clock } = useText();
  const go = useGo();
  const cache = useQueryClient();
  const search = useQueryText();
  const filter = useMemo(() => parseFilter(Object.fromEntries(search)), [search]);
  const opened = search.get("open") ?? undefined;

  const address = useCallback((f: Filter, open?: string) => {
    const q = new URLSearchParams(f as Record<string, string>);
    if (open !== undefined) q.set("open", open);
    const text = q.toString();
    return text === "" ? "/console/sign-ins" : `/console/sign-ins?${text}`;
  }, []);
  const set = (key: FilterKey, value: string | undefined) => go(address(withFilter(filter, key, value)));

  const key = JSON.stringify(filter);
  // A span such as "the last hour" is worked out once for each filter, so that
  // all pages of one search ask for the same.
  // biome-ignore lint/correctness/useExhaustiveDependencies: key stands for filter
  const query = useMemo(() => filterQuery(filter, new Date()), [key]);
  const live = !isOver(filter, new Date());

  const buffer = useMemo(() => new LiveBuffer(), []);
  const state = useSyncExternalStore(buffer.subscribe, buffer.snapshot);
  const [paused, setPaused] = useState(false);
  const [away, setAway] = useState(false);
  const [lost, setLost] = useState(false);

  const pages = useInfiniteQuery({
    queryKey: ["console-log", query],
    queryFn: ({ signal, pageParam }) =>
      call<EventPage>("GET", "/v1/events", { query: { ...query, ...pageParam, limit: pageSize }, signal }),
    initialPageParam: {} as { cursor?: string; until?: string },
    getNextPageParam: (last: EventPage): { cursor?: string; until?: string } | undefined =>
      last.next === undefined ? undefined : { cursor: last.next },
    refetchOnWindowFocus: false,
    staleTime: 0,
    gcTime: 0,
  });
  const fetched = pages.data?.pages;
  const shown = useRef<{ query: unknown; count: number }>({ query: undefined, count: 0 });
  useEffect(() => {
    if (fetched === undefined) return;
    if (shown.current.query !== query) {
      buffer.replace(fetched.flatMap((p) => p.items));
    } else {
      for (const p of fetched.slice(shown.current.count)) buffer.older(p.items);
    }
    shown.current = { query, count: fetched.length };
  }, [fetched, query, buffer]);

  useEffect(() => buffer.hold(paused || away), [buffer, paused, away]);

  useEffect(() => {
    if (!live) return;
    return follow(query, {
      logins: (events) => buffer.push(events),
      gap: (skipped) => buffer.gap(skipped),
      opened: () => {
        setLost(false);
        // What was committed between the page and the stream, or while the
        // connection was gone.
        void call<EventPage>("GET", "/v1/events", { query: { ...query, limit: pageSize } })
          .then((p) => buffer.push(p.items))
          .catch(() => undefined);
      },
      lost: () => setLost(true),
    });
  }, [query, live, buffer]);

  const [older, setOlder] = useState<{ busy: boolean; error?: Error; end?: boolean; next?: string; back?: string }>({ busy: false });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new search begins anew
  useEffect(() => setOlder({ busy: false }), [query]);
  const last = fetched?.at(-1);
  const loadOlder = async () => {
    const oldest = state.rows.at(-1);
    setOlder((o) => ({ ...o, busy: true, error: undefined }));
    try {
      // Rows that were let go at the old end come again by their time; else the
      // search goes on where it stopped.
      const from =
        state.cut && older.next === undefined && oldest !== undefined
          ? { until: new Date(Date.parse(oldest.time) + 1).toISOString() }
          : { cursor: older.next ?? last?.next };
      const p = await call<EventPage>("GET", "/v1/events", { query: { ...query, ...from, limit: pageSize } });
      buffer.hold(true);
      setAway(true);
      buffer.older(p.items);
      setOlder({ busy: false, next: p.next, back: p.back, end: p.next === undefined });
    } catch (error) {
      setOlder((o) => ({ ...o, busy: false, error: error as Error }));
    }
  };
  const hasOlder = older.end === true ? false : older.next !== undefined || state.cut || last?.next !== undefined;
  const back = older.back ?? last?.back;

  const box = useRef<HTMLDivElement>(null);
  const toTop = () => {
    box.current?.scrollTo({ top: 0 });
    setAway(false);
    buffer.release();
    setOlder({ busy: false });
  };
  const empty = fetched !== undefined && state.rows.length === 0;

  return (
    <Stack gap="sm">
      <Filters filter={filter} set={set} clear={() => go("/console/sign-ins")} />
      <Group justify="space-between" gap="xs">
        <Group gap="xs">
          <span className={classes.live} data-on={live && !paused && !lost ? "" : undefined} role="status">
            {t(!live ? "log.past" : lost ? "log.lost" : paused ? "log.paused" : "log.live")}
          </span>
          {live && (
            <Button
              size="compact-sm"
              variant="default"
              leftSection={paused ? <IconPlayerPlay size={14} aria-hidden /> : <IconPlayerPause size={14} aria-hidden />}
              onClick={() => setPaused(!paused)}
              aria-pressed={paused}
            >
              {t(paused ? "log.go_on" : "log.pause")}
            </Button>
          )}
          {state.waiting > 0 && (
            <Button
              size="compact-sm"
              leftSection={<IconArrowUp size={14} aria-hidden />}
              onClick={() => {
                setPaused(false);
                toTop();
              }}
            >
              {t("log.new", { count: state.waiting, n: n(state.waiting) })}
            </Button>
          )}
        </Group>
        <Text size="sm" c="dimmed">
          {t("log.shown", { count: state.rows.length, n: n(state.rows.length) })}
        </Text>
      </Group>
      {state.skipped > 0 && (
        <Alert color="yellow" p="xs" role="status">
          <Group justify="space-between" gap="xs">
            <Text size="sm">{t("log.skipped", { count: state.skipped, n: n(state.skipped) })}</Text>
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => {
                shown.current = { query: undefined, count: 0 };
                void cache.resetQueries({ queryKey: ["console-log"] });
              }}
            >
              {t("log.reload")}
            </Button>
          </Group>
        </Alert>
      )}
      {pages.error !== null && <Fault error={pages.error} retry={() => void pages.refetch()} />}
      {fetched === undefined && pages.error === null && <Waiting />}
      {empty && !hasOlder && (
        <div className="sp-section">
          <Empty title={t(Object.keys(filter).length > 0 ? "log.none_filtered" : "log.none")} good={filter.verdict !== undefined}>
            {t(Object.keys(filter).length > 0 ? "log.none_filtered_help" : "log.none_help")}
          </Empty>
        </div>
      )}
      {!empty && fetched !== undefined && (
        <Grid
          rows={state.rows}
          box={box}
          open={(e) => go(address(filter, e.reference))}
          current={opened}
          filterBy={(k, v) => go(address(withFilter(filter, k, v)))}
          onAway={(a) => {
            if (a !== away) {
              setAway(a);
              if (!a) setOlder({ busy: false });
            }
          }}
        />
      )}
      {fetched !== undefined && (
        <Group justify="center" gap="sm">
          {older.error !== undefined && <Fault error={older.error} />}
          {back !== undefined && hasOlder && (
            <Text size="sm" c="dimmed">
              {t("log.back", { time: clock(back) })}
            </Text>
          )}
          {hasOlder ? (
            <Button variant="default" size="xs" loading={older.busy} onClick={() => void loadOlder()}>
              {t(back !== undefined ? "log.search_on" : "log.older")}
            </Button>
          ) : (
            state.rows.length > 0 && (
              <Text size="sm" c="dimmed">
                {t("log.end")}
              </Text>
            )
          )}
        </Group>
      )}
      <Drawer
        opened={opened !== undefined}
        onClose={() => go(address(filter))}
        position="right"
        size="lg"
        title={opened !== undefined ? t("trace.title", { reference: opened }) : undefined}
        closeButtonProps={{ "aria-label": t("act.close") }}
      >
        {opened !== undefined && <Opened reference={opened} />}
      </Drawer>
    </Stack>
  );
}

function Opened({ reference }: { reference: string }) {
  const { t } = useText();
  const q = useGet<WhyView>(`/v1/events/${part(reference)}`);
  return (
    <Stack gap="sm">
      <Button
        component={A}
        to={`/console/sign-ins/${part(reference)}`}
        variant="subtle"
        size="compact-sm"
        leftSection={<IconExternalLink size={14} aria-hidden />}
        className={classes.own}
      >
        {t("trace.own_page")}
      </Button>
      <Answered q={q}>{(why) => <Explained why={why} />}</Answered>
    </Stack>
  );
}

/** The rows. Only those that can be seen are in the page, however many there are. */
function Grid(props: {
  rows: EventView[];
  box: React.RefObject<HTMLDivElement | null>;
  open: (e: EventView) => void;
  current?: string;
  filterBy: (key: FilterKey, value: string) => void;
  onAway: (away: boolean) => void;
}) {
  const { t, n, span, clock, exact } = useText();
  const { rows, box } = props;
  const narrow = useNarrow();
  const height = narrow ? 84 : 40;
  const v = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 8,
    getItemKey: (i) => rows[i]?.seq ?? i,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows change their height with the width
  useEffect(() => v.measure(), [height]);
  const [active, setActive] = useState<number | undefined>();
  const index = Math.max(
    0,
    rows.findIndex((r) => r.seq === active),
  );
  const move = (to: number) => {
    const i = Math.min(Math.max(0, to), rows.length - 1);
    const row = rows[i];
    if (row === undefined) return;
    setActive(row.seq);
    v.scrollToIndex(i);
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(`[data-seq="${String(row.seq)}"]`)?.focus());
  };
  const keys = (e: KeyboardEvent) => {
    const by: Record<string, number> = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      PageDown: index + 15,
      PageUp: index - 15,
      Home: 0,
      End: rows.length - 1,
    };
    const to = by[e.key];
    if (to !== undefined) {
      e.preventDefault();
      move(to);
      return;
    }
    const row = rows[index];
    if (e.key === "Enter" && row !== undefined && (e.target as HTMLElement).getAttribute("role") === "row") {
      e.preventDefault();
      props.open(row);
    }
  };
  return (
    <div className={classes.frame} role="grid" aria-label={t("log.title")} aria-rowcount={rows.length + 1} onKeyDown={keys}>
      <div role="rowgroup">
        <div role="row" aria-rowindex={1} className={`${classes.row} ${classes.heads}`}>
          {["time", "outcome", "account", "application", "factor", "from", "took", "reference"].map((c) => (
            <span role="columnheader" key={c} data-cell={c}>
              {t(`log.col.${c}`)}
            </span>
          ))}
        </div>
      </div>
      <div ref={box} className={classes.box} role="rowgroup" onScroll={(e) => props.onAway(e.currentTarget.scrollTop > height / 2)}>
        <div role="presentation" style={{ height: v.getTotalSize(), position: "relative" }}>
          {v.getVirtualItems().map((item) => {
            const e = rows[item.index];
            if (e === undefined) return null;
            const from = e.from !== undefined && e.from !== "" ? e.from : e.source;
            const address = from.replace(/^(\d+(?:\.\d+){3}|\[[^\]]+\]):\d+$/, "$1"); // its port is in the trace
            return (
              <div
                key={item.key}
                role="row"
                aria-rowindex={item.index + 2}
                aria-selected={props.current === e.reference}
                tabIndex={item.index === index ? 0 : -1}
                data-seq={e.seq}
                className={classes.row}
                style={{ transform: `translateY(${String(item.start)}px)`, height }}
                onClick={(ev) => {
                  if ((ev.target as HTMLElement).closest("button, a") === null) {
                    setActive(e.seq);
                    props.open(e);
                  }
                }}
                onFocus={() => setActive(e.seq)}
              >
                <span role="gridcell" data-cell="time">
                  <time dateTime={e.time} title={exact(e.time)}>
                    {clock(e.time)}
                  </time>
                </span>
                <span role="gridcell" data-cell="outcome" title={e.label}>
                  <Verdict verdict={e.verdict} label={e.label} />
                  {e.count > 1 && <span className={classes.count}>× {n(e.count)}</span>}
                </span>
                <span role="gridcell" data-cell="account" className={classes.cut} title={e.account}>
                  {e.account === "" ? "–" : e.account}
                </span>
                <span role="gridcell" data-cell="application" className={classes.cut} title={e.client}>
                  {e.application === "" ? e.client : e.application}
                  {e.client !== "" && e.application !== "" && e.client !== e.application && (
                    <span className={classes.sub}> {e.client}</span>
                  )}
                </span>
                <span role="gridcell" data-cell="factor" className={classes.cut}>
                  {e.factor === undefined || e.factor === "" ? "–" : t(`factor.${e.factor}`, { defaultValue: e.factor })}
                </span>
                <span role="gridcell" data-cell="from" className={classes.cut} title={from}>
                  <Mono>{from === "" ? "–" : address}</Mono>
                </span>
                <span role="gridcell" data-cell="took">
                  {span(e.took_us)}
                </span>
                <span role="gridcell" data-cell="reference">
                  <button
                    type="button"
                    tabIndex={-1}
                    className={classes.open}
                    onClick={() => props.open(e)}
                    aria-label={t("log.open", { reference: e.reference })}
                  >
                    {e.reference}
                  </button>
                </span>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function useNarrow(): boolean {
  const query = useMemo(() => window.matchMedia("(max-width: 48em)"), []);
  return useSyncExternalStore(
    useCallback(
      (tell) => {
        query.addEventListener("change", tell);
        return () => query.removeEventListener("change", tell);
      },
      [query],
    ),
    () => query.matches,
  );
}

/** The stable name of an outcome, which stands in addresses and queries. */
function nameOf(o: OutcomeView): string {
  return o.outcome ?? o.name ?? String(o.code);
}

/** What the log is filtered by: a chip for each, and a menu to add one. */
function Filters(props: { filter: Filter; set: (key: FilterKey, value: string | undefined) => void; clear: () => void }) {
  const { t, minute } = useText();
  const { filter, set } = props;
  const [editing, setEditing] = useState<FilterKey | undefined>();
  const outcomes = useGet<Listed<OutcomeView>>("/v1/outcomes", undefined, { enabled: filter.outcome !== undefined });
  const text = (key: FilterKey, value: string): string => {
    switch (key) {
      case "outcome": {
        const o = outcomes.data?.items.find((x) => nameOf(x) === value || String(x.code) === value);
        return o === undefined ? value : o.label;
      }
      case "within":
        return t(`span.${value}`);
      case "verdict":
        return value
          .split(",")
          .map((v) => t(`verdict.${v}`, { defaultValue: v }))
          .join(", ");
      case "stage":
        return t(`stage.${value}`, { defaultValue: value });
      case "factor":
        return t(`factor.${value}`, { defaultValue: value });
      case "door":
        return t(`door.${value}`, { defaultValue: value });
      case "since":
      case "until":
        return minute(value);
      default:
        return value;
    }
  };
  const active = filterKeys.filter((k) => filter[k] !== undefined);
  return (
    <Stack gap="xs">
      <Group gap="xs" align="center" role="group" aria-label={t("log.filters")}>
        <Select
          aria-label={t("log.time")}
          size="xs"
          w={150}
          data={[{ value: "", label: t("span.any") }, ...spans.map((s) => ({ value: s, label: t(`span.${s}`) }))]}
          value={filter.within ?? ""}
          onChange={(v) => set("within", v ?? undefined)}
        />
        <Select
          aria-label={t("log.verdicts")}
          size="xs"
          w={170}
          data={[
            { value: "", label: t("log.all_verdicts") },
            { value: "reject", label: t("verdict.reject") },
            { value: "accept", label: t("verdict.accept") },
            { value: "challenge", label: t("verdict.challenge") },
            { value: "unavailable", label: t("verdict.unavailable") },
          ]}
          value={filter.verdict ?? ""}
          onChange={(v) => set("verdict", v ?? undefined)}
        />
        <Switch
          size="sm"
          label={t("log.at_fault")}
          checked={filter.at_fault === "true"}
          onChange={(e) => set("at_fault", e.currentTarget.checked ? "true" : undefined)}
        />
        <Menu position="bottom-start" withinPortal>
          <Menu.Target>
            <Button size="xs" variant="default" leftSection={<IconFilterPlus size={14} aria-hidden />}>
              {t("log.filter")}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {filterKeys
              .filter((k) => k !== "within" && k !== "verdict" && k !== "at_fault")
              .map((k) => (
                <Menu.Item key={k} onClick={() => setEditing(k)}>
                  {t(`filter.${k}`)}
                </Menu.Item>
              ))}
          </Menu.Dropdown>
        </Menu>
        {active.length > 0 && (
          <Button size="xs" variant="subtle" onClick={props.clear}>
            {t("log.clear")}
          </Button>
        )}
      </Group>
      {active.length > 0 && (
        <ul className={classes.chips} aria-label={t("log.active")}>
          {active.map((k) => (
            <li key={k}>
              <Pill size="md" className={classes.chip}>
                <b>{t(`filter.${k}`)}</b> {k === "at_fault" ? t("yes") : text(k, filter[k] ?? "")}
                <Tooltip label={t("log.remove_filter", { name: t(`filter.${k}`) })}>
                  <ActionIcon
                    size="sm"
                    variant="transparent"
                    color="gray"
                    onClick={() => set(k, undefined)}
                    aria-label={t("log.remove_filter", { name: t(`filter.${k}`) })}
                  >
                    <IconX size={14} />
                  </ActionIcon>
                </Tooltip>
              </Pill>
            </li>
          ))}
          <li>
            <Copy value={location.href} label={t("log.copy_filter")} link />
          </li>
        </ul>
      )}
      {editing !== undefined && (
        <FilterForm
          key={editing}
          name={editing}
          value={filter[editing] ?? ""}
          apply={(v) => {
            setEditing(undefined);
            set(editing, v);
          }}
          cancel={() => setEditing(undefined)}
        />
      )}
    </Stack>
  );
}

const stages = ["reach", "client", "account", "primary", "policy", "factor", "delivery", "answer", "verdict", "reply"];

function FilterForm(props: { name: FilterKey; value: string; apply: (value: string) => void; cancel: () => void }) {
  const { t, language } = useText();
  const may = useMay();
  const { name } = props;
  const isTime = name === "since" || name === "until";
  const [value, setValue] = useState(isTime && props.value !== "" ? toLocal(new Date(props.value)) : props.value);
  const list = (path: string) => ({
    queryKey: ["console", path, {}],
    queryFn: () => call<Listed<unknown>>("GET", path),
  });
  const settings = may("settings.read");
  const applications = useQuery({ ...list("/v1/applications"), enabled: name === "application" && settings });
  const clients = useQuery({ ...list("/v1/clients"), enabled: name === "client" && settings });
  const rules = useQuery({ ...list("/v1/rules"), enabled: name === "rule" && may("policy.read") });
  const outcomes = useQuery({ ...list("/v1/outcomes"), enabled: name === "outcome" });

  const choices = ((): { value: string; label: string }[] | undefined => {
    const named = (q: { data?: Listed<unknown> }) =>
      (q.data?.items as (Application | ClientView | RuleView)[] | undefined)?.map((i) => ({ value: i.name, label: i.name }));
    switch (name) {
      case "application":
        return named(applications);
      case "client":
        return named(clients);
      case "rule":
        return named(rules);
      case "outcome":
        return (outcomes.data?.items as OutcomeView[] | undefined)
          ?.map((o) => ({ value: nameOf(o), label: `${o.label} (${String(o.code)})` }))
          .sort((a, b) => a.label.localeCompare(b.label, language));
      case "stage":
        return stages.map((s) => ({ value: s, label: t(`stage.${s}`) }));
      case "door":
        return ["radius", "https", "console", "portal"].map((d) => ({ value: d, label: t(`door.${d}`) }));
      case "factor":
        return ["oath", "recovery", "webauthn", "password"].map((f) => ({ value: f, label: t(`factor.${f}`) }));
      default:
        return undefined;
    }
  })();

  return (
    <form
      className={classes.form}
      onSubmit={(e) => {
        e.preventDefault();
        props.apply(isTime ? (fromLocal(value) ?? "") : value);
      }}
    >
      {choices !== undefined && choices.length > 0 ? (
        <Select
          label={t(`filter.${name}`)}
          data={choices}
          value={value === "" ? null : value}
          onChange={(v) => {
            if (v !== null) props.apply(v);
          }}
          searchable
          data-autofocus
          autoFocus
          nothingFoundMessage={t("nothing")}
        />
      ) : (
        <TextInput
          label={t(`filter.${name}`)}
          description={t(`filter_help.${name}`, { defaultValue: "" })}
          type={isTime ? "datetime-local" : "text"}
          value={value}
          onChange={(e) => setValue(e.currentTarget.value)}
          autoFocus
        />
      )}
      <Group gap="xs">
        <Button type="submit" size="sm">
          {t("log.apply")}
        </Button>
        <Button type="button" size="sm" variant="default" onClick={props.cancel}>
          {t("act.cancel")}
        </Button>
      </Group>
    </form>
  );
}
