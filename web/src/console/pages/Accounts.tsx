import { Alert, Button, Group, Select, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { part } from "../api/call";
import type { AccountView, Group as GroupView, Page as Listed, RoleView } from "../api/types";
import { useGet, useList, useMay, useText } from "../core";
import { useGo, useQueryText } from "../go";
import { AccountLink, Empty, Fault, MayLink, Page, Status, Waiting } from "../ui/kit";
import { Rows } from "../ui/Rows";

const states = ["disabled", "blocked", "locked", "unenrolled"] as const;

/** Everybody who can log in, or not. */
export default function Accounts() {
  const { t, n, day } = useText();
  const may = useMay();
  const go = useGo();
  const search = useQueryText();
  const get = (key: string) => search.get(key) ?? "";
  const [text, setText] = useState(get("q"));
  const [settled] = useDebouncedValue(text.trim(), 200);
  const set = (key: string, value: string, replace = false) => {
    const q = new URLSearchParams(search);
    if (value === "") q.delete(key);
    else q.set(key, value);
    go(q.size === 0 ? "/console/accounts" : `/console/accounts?${q.toString()}`, { replace });
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is typed goes into the address, not the other way round
  useEffect(() => {
    if (settled !== get("q")) set("q", settled, true);
  }, [settled]);
  const state = (states as readonly string[]).includes(get("state")) ? get("state") : "";
  const list = useList<AccountView>(
    "/v1/accounts",
    { q: get("q"), state, role: get("role"), group: get("group"), limit: 50 },
    { enabled: may("account.read") },
  );
  const groups = useGet<Listed<GroupView>>("/v1/groups", undefined, { enabled: may("settings.read") });
  const roles = useGet<Listed<RoleView>>("/v1/roles", undefined, { enabled: may("role.read") });
  const any = get("q") !== "" || state !== "" || get("role") !== "" || get("group") !== "";

  return (
    <Page
      title={t("accounts.title")}
      lead={t("accounts.lead")}
      permission="account.read"
      actions={
        <MayLink permission="account.write" to="/console/accounts/add">
          {t("accounts.add")}
        </MayLink>
      }
    >
      {get("task") === "new-phone" && (
        <Alert
          color="blue"
          title={t("accounts.new_phone")}
          withCloseButton
          closeButtonLabel={t("act.close")}
          onClose={() => set("task", "")}
        >
          {t("accounts.new_phone_help")}
        </Alert>
      )}
      <search className="sp-filters" aria-label={t("log.filters")}>
        <TextInput
          data-grow
          label={t("accounts.search")}
          type="search"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          autoFocus={get("task") !== ""}
        />
        <Select
          label={t("accounts.state")}
          data={[{ value: "", label: t("accounts.any") }, ...states.map((s) => ({ value: s, label: t(`accounts.state_${s}`) }))]}
          value={state}
          onChange={(v) => set("state", v ?? "")}
        />
        {(groups.data?.items.length ?? 0) > 0 && (
          <Select
            label={t("accounts.group")}
            data={[{ value: "", label: t("accounts.any") }, ...(groups.data?.items ?? []).map((g) => ({ value: g.name, label: g.name }))]}
            value={get("group")}
            onChange={(v) => set("group", v ?? "")}
          />
        )}
        {roles.data !== undefined && (
          <Select
            label={t("accounts.role")}
            data={[
              { value: "", label: t("accounts.any") },
              { value: "*", label: t("accounts.any_role") },
              ...roles.data.items.map((r) => ({ value: r.name, label: t(`role.name.${r.name}`, { defaultValue: r.name }) })),
            ]}
            value={get("role")}
            onChange={(v) => set("role", v ?? "")}
          />
        )}
        {any && (
          <Button
            data-fixed
            variant="subtle"
            onClick={() => {
              setText("");
              go("/console/accounts");
            }}
          >
            {t("log.clear")}
          </Button>
        )}
      </search>
      {list.error !== null && <Fault error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && list.error === null && may("account.read") && <Waiting />}
      {list.data !== undefined && (
        <Rows
          label={t("accounts.title")}
          rows={list.items}
          id={(a) => a.id}
          open={(a) => go(`/console/accounts/${part(a.name)}`)}
          more={{ has: list.hasNextPage, busy: list.isFetchingNextPage, load: () => void list.fetchNextPage() }}
          foot={t("accounts.count", { count: list.items.length, n: n(list.items.length) })}
          columns={[
            { key: "name", label: t("accounts.name"), render: (a) => <AccountLink name={a.name} /> },
            { key: "state", label: t("accounts.state"), render: (a) => <Standing a={a} /> },
            { key: "aliases", label: t("accounts.aliases"), render: (a) => a.aliases.join(", ") || "–" },
            { key: "groups", label: t("accounts.groups"), render: (a) => a.groups.join(", ") || "–" },
            {
              key: "role",
              label: t("accounts.role"),
              render: (a) => (a.role === undefined || a.role === "" ? "–" : t(`role.name.${a.role}`, { defaultValue: a.role })),
            },
            { key: "created", label: t("accounts.created"), narrow: true, render: (a) => day(a.created) },
          ]}
          empty={
            <Empty
              title={t(any ? "accounts.none_found" : "accounts.none")}
              good={state !== ""}
              action={
                any ? undefined : (
                  <MayLink permission="account.write" to="/console/accounts/add">
                    {t("accounts.add")}
                  </MayLink>
                )
              }
            >
              {t(state === "locked" ? "accounts.none_locked" : any ? "accounts.none_found_help" : "accounts.none_help")}
            </Empty>
          }
        />
      )}
    </Page>
  );
}

function Standing({ a }: { a: AccountView }) {
  const { t } = useText();
  if (!a.enabled) return <Status tone="muted">{t("account.disabled")}</Status>;
  if (a.blocked) return <Status tone="bad">{t("account.blocked")}</Status>;
  if (a.failures?.stopped === true) return <Status tone="bad">{t("account.stopped")}</Status>;
  if (a.failures?.waiting_until !== undefined) return <Status tone="warn">{t("account.waiting")}</Status>;
  return (
    <Group gap={4}>
      <Status tone="ok">{t("account.active")}</Status>
    </Group>
  );
}
