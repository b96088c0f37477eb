// One person: why they cannot log in right now, and everything that mends it.
import { Alert, Button, Group, List, Menu, Modal, Stack, Tabs, Text } from "@mantine/core";
import { IconCircleCheck, IconDeviceMobilePlus, IconDots, IconLock, IconLockOpen2 } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import { toProblem } from "~/api";
import { part } from "../api/call";
import type {
  AccountView,
  Act,
  AuthenticatorView,
  BoundView,
  BypassView,
  EventView,
  InvitationView,
  Page as Listed,
  SessionRow,
} from "../api/types";
import { useChange, useGet, useList, useMay, useText } from "../core";
import { useGo, useName, useQueryText } from "../go";
import { hasSecond, isSecond, type Obstacle, obstacles } from "../lib/standing";
import { Acts } from "../ui/acts";
import { useConfirm } from "../ui/confirm";
import {
  AccountLink,
  Answered,
  Empty,
  Facts,
  Fault,
  Go,
  MayButton,
  Mono,
  Page,
  Reference,
  Section,
  Status,
  Time,
  useReason,
  Verdict,
  Waiting,
} from "../ui/kit";
import { Rows } from "../ui/Rows";
import { SessionRows } from "../ui/SessionRows";

const InviteDialog = lazy(() => import("../ui/InviteDialog").then((m) => ({ default: m.InviteDialog })));
const Explainer = lazy(() => import("../ui/Explainer").then((m) => ({ default: m.Explainer })));
const RecoveryCodes = lazy(() => import("~/ui/secrets").then((m) => ({ default: m.RecoveryCodes })));
const BlockDialog = lazy(() => import("./AccountDialogs").then((m) => ({ default: m.BlockDialog })));
const BypassDialog = lazy(() => import("./AccountDialogs").then((m) => ({ default: m.BypassDialog })));
const RoleDialog = lazy(() => import("./AccountDialogs").then((m) => ({ default: m.RoleDialog })));
const PasswordDialog = lazy(() => import("./AccountDialogs").then((m) => ({ default: m.PasswordDialog })));
const EditDialog = lazy(() => import("./AccountDialogs").then((m) => ({ default: m.EditDialog })));
const AddDialog = lazy(() => import("./AccountDialogs").then((m) => ({ default: m.AddDialog })));
const ResyncDialog = lazy(() => import("./AccountDialogs").then((m) => ({ default: m.ResyncDialog })));

type Dialog = "invite" | "replace" | "block" | "bypass" | "role" | "password" | "edit" | "add" | "resync" | undefined;

export default function Account() {
  const { t } = useText();
  const name = useName();
  const q = useGet<AccountView>(`/v1/accounts/${part(name)}`);
  const missing = q.error !== null && q.data === undefined && toProblem(q.error).status === 404;
  return (
    <Page title={q.data?.name ?? name} permission="account.read" back={{ to: "/console/accounts", label: t("accounts.title") }}>
      {missing ? <Missing name={name} /> : <Answered q={q}>{(a) => <Person a={a} key={a.id} />}</Answered>}
    </Page>
  );
}

/** A name that nobody has: those like it, and what it did. */
function Missing({ name }: { name: string }) {
  const { t } = useText();
  const like = useList<AccountView>("/v1/accounts", { q: name.slice(0, Math.max(3, Math.ceil(name.length * 0.6))), limit: 8 });
  return (
    <Section>
      <Empty
        title={t("account.missing", { name })}
        action={<Go to={`/console/sign-ins?account=${encodeURIComponent(name)}`}>{t("account.missing_logins")}</Go>}
      >
        {t("account.missing_help")}
        {like.items.length > 0 && (
          <>
            <br />
            {t("account.like")}{" "}
            {like.items.map((a) => (
              <span key={a.id}>
                <AccountLink name={a.name} />{" "}
              </span>
            ))}
          </>
        )}
      </Empty>
    </Section>
  );
}

function Person({ a }: { a: AccountView }) {
  const { t } = useText();
  const may = useMay();
  const go = useGo();
  const search = useQueryText();
  const tab = search.get("tab") ?? "now";
  const [dialog, setDialog] = useState<Dialog>();
  const [resync, setResync] = useState<AuthenticatorView | undefined>();
  const [codes, setCodes] = useState<BoundView | undefined>();
  const path = `/v1/accounts/${part(a.name)}`;
  const change = useChange<AccountView>();
  const bind = useChange<BoundView>();
  const confirm = useConfirm();
  const close = () => setDialog(undefined);

  const mend = (o: Obstacle) => {
    switch (o.mend) {
      case "invite":
        setDialog("invite");
        return;
      case "enable":
        change.run({ path: `${path}/enable`, done: t("account.did_enable", { name: a.name }) });
        return;
      case "unblock":
        change.run({ path: `${path}/unblock`, done: t("account.did_unblock", { name: a.name }) });
        return;
      case "unlock":
        change.run({ path: `${path}/unlock`, done: t("account.did_unlock", { name: a.name }) });
    }
  };
  const disable = async () => {
    const yes = await confirm({
      title: t("account.disable_title", { name: a.name }),
      consequences: [t("account.disable_1"), t("account.disable_2"), t("account.disable_3")],
      act: t("account.disable"),
      danger: true,
    });
    if (yes) change.run({ path: `${path}/disable`, done: t("account.did_disable", { name: a.name }) });
  };
  const remove = async () => {
    const yes = await confirm({
      title: t("account.remove_title", { name: a.name }),
      consequences: [t("account.remove_1", { count: a.authenticators?.length ?? 0 }), t("account.remove_2"), t("account.remove_3")],
      act: t("account.remove"),
      danger: true,
      sure: t("account.remove_sure", { name: a.name }),
    });
    if (yes)
      change.run({
        method: "DELETE",
        path,
        done: t("account.did_remove", { name: a.name }),
        after: () => go("/console/accounts", { replace: true }),
      });
  };
  const newCodes = async () => {
    const yes = await confirm({
      title: t("account.codes_title", { name: a.name }),
      consequences: [t("account.codes_1"), t("account.codes_2")],
      act: t("account.codes"),
    });
    if (yes) bind.run({ path: `${path}/recovery-codes`, after: setCodes });
  };

  return (
    <>
      <Standing a={a} mend={mend} busy={change.busy} />
      <Fault error={change.error ?? bind.error} />
      <Group gap="xs">
        {hasSecond(a) ? (
          <MayButton
            permission="account.invite"
            leftSection={<IconDeviceMobilePlus size={16} aria-hidden />}
            onClick={() => setDialog("replace")}
          >
            {t("account.new_phone")}
          </MayButton>
        ) : (
          <MayButton
            permission="account.invite"
            leftSection={<IconDeviceMobilePlus size={16} aria-hidden />}
            onClick={() => setDialog("invite")}
          >
            {t("account.invite")}
          </MayButton>
        )}
        <MayButton permission="bypass.write" variant="default" onClick={() => setDialog("bypass")}>
          {t("account.bypass")}
        </MayButton>
        {a.blocked ? (
          <MayButton
            permission="account.help"
            variant="default"
            leftSection={<IconLockOpen2 size={16} aria-hidden />}
            onClick={() => mend({ kind: "blocked", mend: "unblock" })}
          >
            {t("account.unblock")}
          </MayButton>
        ) : (
          <MayButton
            permission="account.help"
            variant="default"
            leftSection={<IconLock size={16} aria-hidden />}
            onClick={() => setDialog("block")}
          >
            {t("account.block")}
          </MayButton>
        )}
        <Menu position="bottom-end" withinPortal>
          <Menu.Target>
            <Button variant="default" leftSection={<IconDots size={16} aria-hidden />}>
              {t("account.more")}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Item permission="account.help" onClick={() => mend({ kind: "stopped", mend: "unlock" })} label={t("account.unlock_anyway")} />
            <Item permission="account.write" onClick={() => setDialog("edit")} label={t("account.edit")} />
            <Item permission="account.write" onClick={() => setDialog("password")} label={t("account.password")} />
            <Item permission="role.write" onClick={() => setDialog("role")} label={t("account.role")} />
            <Item permission="authenticator.write" onClick={() => setDialog("add")} label={t("account.add_authenticator")} />
            <Item permission="authenticator.write" onClick={() => void newCodes()} label={t("account.codes")} />
            <Menu.Divider />
            {a.enabled ? (
              <Item permission="account.write" danger onClick={() => void disable()} label={t("account.disable")} />
            ) : (
              <Item permission="account.write" onClick={() => mend({ kind: "disabled", mend: "enable" })} label={t("account.enable")} />
            )}
            <Item permission="account.write" danger onClick={() => void remove()} label={t("account.remove")} />
          </Menu.Dropdown>
        </Menu>
      </Group>
      <Tabs
        value={tab}
        onChange={(v) => go(`/console/accounts/${part(a.name)}${v === null || v === "now" ? "" : `?tab=${v}`}`, { replace: true })}
        keepMounted={false}
      >
        <Tabs.List aria-label={t("account.parts")} mb="md">
          <Tabs.Tab value="now">{t("account.tab_now")}</Tabs.Tab>
          {may("event.read") && <Tabs.Tab value="history">{t("account.tab_history")}</Tabs.Tab>}
          {may("policy.explain") && <Tabs.Tab value="explain">{t("account.tab_explain")}</Tabs.Tab>}
          {may("session.read") && <Tabs.Tab value="sessions">{t("account.tab_sessions")}</Tabs.Tab>}
          {may("act.read") && <Tabs.Tab value="changes">{t("account.tab_changes")}</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="now">
          <Stack gap="md">
            <Authenticators
              a={a}
              add={() => setDialog("add")}
              resync={(h) => {
                setResync(h);
                setDialog("resync");
              }}
            />
            <Invitations name={a.name} />
            {a.bypass !== undefined && <Bypass a={a} bypass={a.bypass} />}
            <Section title={t("account.facts")}>
              <Facts
                facts={[
                  [t("accounts.name"), a.name],
                  [t("accounts.aliases"), a.aliases.length > 0 ? a.aliases.join(", ") : t("account.no_aliases")],
                  [t("accounts.groups"), a.groups.length > 0 ? a.groups.join(", ") : t("account.no_groups")],
                  [
                    t("accounts.role"),
                    a.role === undefined || a.role === "" ? t("account.no_role") : t(`role.name.${a.role}`, { defaultValue: a.role }),
                  ],
                  [
                    t("account.failures"),
                    a.failures === undefined
                      ? undefined
                      : t("account.failures_are", { password: a.failures.password, code: a.failures.code }),
                  ],
                  [t("accounts.created"), <Time key="c" at={a.created} form="exact" />],
                ]}
              />
            </Section>
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="history">
          <History name={a.name} />
        </Tabs.Panel>
        <Tabs.Panel value="explain">
          <Suspense fallback={<Waiting />}>
            <Explainer account={a.name} />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="sessions">
          <Sessions name={a.name} />
        </Tabs.Panel>
        <Tabs.Panel value="changes">
          <Changes name={a.name} />
        </Tabs.Panel>
      </Tabs>

      <Suspense>
        {(dialog === "invite" || dialog === "replace") && <InviteDialog account={a.name} replace={dialog === "replace"} close={close} />}
        {dialog === "block" && <BlockDialog a={a} close={close} />}
        {dialog === "bypass" && <BypassDialog a={a} close={close} />}
        {dialog === "role" && <RoleDialog a={a} close={close} />}
        {dialog === "password" && <PasswordDialog a={a} close={close} />}
        {dialog === "edit" && <EditDialog a={a} close={close} />}
        {dialog === "add" && <AddDialog a={a} close={close} />}
        {dialog === "resync" && resync !== undefined && <ResyncDialog h={resync} close={close} />}
        <Modal
          opened={codes !== undefined}
          onClose={() => setCodes(undefined)}
          title={t("account.codes_new", { name: a.name })}
          closeButtonProps={{ "aria-label": t("act.close") }}
          size="lg"
        >
          {codes?.codes !== undefined && (
            <RecoveryCodes codes={codes.codes} account={a.name} onDone={() => setCodes(undefined)} doneLabel={t("act.done")} />
          )}
        </Modal>
      </Suspense>
    </>
  );
}

function Item(props: { permission: string; label: string; onClick: () => void; danger?: boolean }) {
  const may = useMay();
  const reason = useReason(props.permission);
  const ok = may(props.permission);
  return (
    <Menu.Item color={props.danger === true && ok ? "red" : undefined} disabled={!ok} onClick={props.onClick}>
      {props.label}
      {!ok && (
        <Text size="xs" c="dimmed" maw={260}>
          {reason}
        </Text>
      )}
    </Menu.Item>
  );
}

/** Why this person cannot log in right now, and the one button that mends it. */
function Standing({ a, mend, busy }: { a: AccountView; mend: (o: Obstacle) => void; busy: boolean }) {
  const { t, minute } = useText();
  const may = useMay();
  const last = useGet<Listed<EventView>>("/v1/events", { account: a.name, limit: 1 }, { enabled: may("event.read") });
  const newest = last.data?.items[0];
  const list = obstacles(a, new Date());
  const first = list[0];
  const permission = { enable: "account.write", unblock: "account.help", unlock: "account.help", invite: "account.invite" };
  const lastLine = newest !== undefined && (
    <Text size="sm" component="div">
      {t("account.last")} <Time at={newest.time} />: <Verdict verdict={newest.verdict} label={newest.label} />{" "}
      <Reference value={newest.reference} />
    </Text>
  );
  if (first === undefined) {
    return (
      <Alert color="green" icon={<IconCircleCheck aria-hidden />} title={t("account.can")}>
        <Stack gap={4}>
          <Text size="sm">{t("account.can_help")}</Text>
          {lastLine}
        </Stack>
      </Alert>
    );
  }
  const says = (o: Obstacle) => {
    const until = o.until === undefined ? "" : minute(o.until);
    return {
      title: t(`obstacle.${o.kind}`, { name: a.name }),
      text: t(
        o.kind === "blocked" ? (o.until === undefined ? "obstacle.blocked_for_good" : "obstacle.blocked_until") : `obstacle.${o.kind}_why`,
        {
          until,
          reason: o.reason === undefined || o.reason === "" ? t("obstacle.no_reason") : o.reason,
          count: o.count ?? 0,
        },
      ),
    };
  };
  return (
    <Alert
      color={first.kind === "unenrolled" || first.kind === "waiting" ? "yellow" : "red"}
      icon={<IconLock aria-hidden />}
      title={says(first).title}
    >
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{says(first).text}</Text>
        {lastLine}
        <MayButton permission={permission[first.mend]} loading={busy} onClick={() => mend(first)} size="sm">
          {t(`obstacle.${first.mend}`)}
        </MayButton>
        {list.length > 1 && (
          <div>
            <Text size="sm" fw={600}>
              {t("obstacle.then")}
            </Text>
            <List size="sm">
              {list.slice(1).map((o) => (
                <List.Item key={o.kind}>{says(o).text}</List.Item>
              ))}
            </List>
          </div>
        )}
      </Stack>
    </Alert>
  );
}

function Authenticators({ a, add, resync }: { a: AccountView; add: () => void; resync: (h: AuthenticatorView) => void }) {
  const { t } = useText();
  const may = useMay();
  const confirm = useConfirm();
  const change = useChange();
  const held = a.authenticators ?? [];
  const second = held.filter((h) => isSecond(h.factor));
  const revoke = async (h: AuthenticatorView) => {
    const label = h.label === "" ? t(`factor.${h.factor}`, { defaultValue: h.factor }) : h.label;
    const isLast = second.length === 1 && second[0]?.id === h.id;
    const yes = await confirm({
      title: t("authenticator.revoke_title", { label }),
      consequences: [
        h.factor === "password"
          ? t("authenticator.revoke_password")
          : h.factor === "pin"
            ? t("authenticator.revoke_pin")
            : t("authenticator.revoke_1"),
        ...(isLast ? [t("authenticator.revoke_last", { name: a.name })] : []),
        t("authenticator.revoke_sessions"),
        ...(h.factor === "pin" ? [] : [t("authenticator.revoke_undo")]),
      ],
      act: t("authenticator.revoke"),
      danger: true,
    });
    if (yes) change.run({ method: "DELETE", path: `/v1/authenticators/${part(h.id)}`, done: t("authenticator.did_revoke", { label }) });
  };
  return (
    <Section
      title={t("account.authenticators")}
      flush
      actions={
        <MayButton permission="authenticator.write" variant="default" size="xs" onClick={add}>
          {t("account.add_authenticator")}
        </MayButton>
      }
    >
      <Fault error={change.error} />
      <Rows
        label={t("account.authenticators")}
        rows={held}
        id={(h) => h.id}
        empty={<Empty title={t("account.no_authenticators")}>{t("account.no_authenticators_help")}</Empty>}
        columns={[
          { key: "factor", label: t("authenticator.kind"), render: (h) => t(`factor.${h.factor}`, { defaultValue: h.factor }) },
          { key: "label", label: t("authenticator.label"), render: (h) => (h.label === "" ? "–" : h.label) },
          {
            key: "serial",
            label: t("authenticator.serial"),
            render: (h) => (h.serial === undefined || h.serial === "" ? "–" : <Mono>{h.serial}</Mono>),
          },
          {
            key: "used",
            label: t("authenticator.used"),
            render: (h) =>
              h.used_at !== undefined ? (
                <Time at={h.used_at} />
              ) : h.used || h.factor !== "oath" ? (
                h.used ? (
                  t("authenticator.was_used")
                ) : (
                  "–"
                )
              ) : (
                <Status tone="warn">{t("authenticator.never")}</Status>
              ),
          },
          { key: "created", label: t("accounts.created"), render: (h) => <Time at={h.created} /> },
          {
            key: "do",
            label: "",
            render: (h) => (
              <Group gap={4} justify="flex-end">
                {h.factor === "oath" && may("authenticator.write") && (
                  <Button size="compact-xs" variant="subtle" onClick={() => resync(h)}>
                    {t("authenticator.resync")}
                  </Button>
                )}
                <MayButton
                  permission="authenticator.revoke"
                  size="compact-xs"
                  variant="subtle"
                  color="red"
                  onClick={() => void revoke(h)}
                  aria-label={`${t("authenticator.revoke")}: ${h.label === "" ? t(`factor.${h.factor}`, { defaultValue: h.factor }) : h.label}`}
                >
                  {t("authenticator.revoke")}
                </MayButton>
              </Group>
            ),
          },
        ]}
      />
    </Section>
  );
}

function Bypass({ a, bypass }: { a: AccountView; bypass: BypassView }) {
  const { t } = useText();
  const change = useChange();
  return (
    <Alert color={bypass.live ? "yellow" : "gray"} title={t(bypass.live ? "bypass.live" : "bypass.over")}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm">
          {t("bypass.says", { reason: bypass.reason, actor: bypass.actor })} {t("bypass.until")} <Time at={bypass.until} form="exact" />.
        </Text>
        <Fault error={change.error} />
        <MayButton
          permission="bypass.write"
          size="xs"
          variant="default"
          loading={change.busy}
          onClick={() => change.run({ method: "DELETE", path: `/v1/accounts/${part(a.name)}/bypass`, done: t("bypass.did_remove") })}
        >
          {t("bypass.remove")}
        </MayButton>
      </Stack>
    </Alert>
  );
}

/** Invitations that can still be used. */
function Invitations({ name }: { name: string }) {
  const { t } = useText();
  const q = useGet<Listed<InvitationView>>(`/v1/accounts/${part(name)}/invitations`);
  const change = useChange();
  const open = q.data?.items ?? [];
  if (open.length === 0) return null;
  return (
    <Section title={t("invite.open")} lead={t("invite.open_lead")}>
      <Fault error={change.error} />
      <Rows
        label={t("invite.open")}
        rows={open}
        id={(i) => i.id}
        columns={[
          {
            key: "kind",
            label: t("authenticator.kind"),
            render: (i) => t(i.replace ? "invite.kind_replace" : `invite.kind_${i.kind}`, { defaultValue: i.kind }),
          },
          { key: "by", label: t("invite.by"), render: (i) => i.by },
          { key: "expires", label: t("sessions.expires"), render: (i) => <Time at={i.expires} /> },
          { key: "tries", label: t("invite.tries"), number: true, render: (i) => i.tries },
          {
            key: "do",
            label: "",
            render: (i) => (
              <MayButton
                permission="account.invite"
                size="compact-xs"
                variant="subtle"
                color="red"
                onClick={() => change.run({ method: "DELETE", path: `/v1/invitations/${part(i.id)}`, done: t("invite.did_remove") })}
              >
                {t("bypass.remove")}
              </MayButton>
            ),
          },
        ]}
      />
    </Section>
  );
}

function History({ name }: { name: string }) {
  const { t, span } = useText();
  const go = useGo();
  const list = useList<EventView>("/v1/events", { account: name, limit: 50 });
  if (list.error !== null) return <Fault error={list.error} retry={() => void list.refetch()} />;
  if (list.isPending) return <Waiting />;
  return (
    <Rows
      label={t("account.tab_history")}
      rows={list.items}
      id={(e) => String(e.seq)}
      open={(e) => go(`/console/sign-ins/${part(e.reference)}`)}
      more={{ has: list.hasNextPage, busy: list.isFetchingNextPage, load: () => void list.fetchNextPage() }}
      foot={<Go to={`/console/sign-ins?account=${encodeURIComponent(name)}`}>{t("account.in_log")}</Go>}
      empty={<Empty title={t("account.no_history")}>{t("account.no_history_help")}</Empty>}
      columns={[
        { key: "outcome", label: t("log.col.outcome"), render: (e) => <Verdict verdict={e.verdict} label={e.label} /> },
        { key: "time", label: t("log.col.time"), render: (e) => <Time at={e.time} form="clock" /> },
        { key: "application", label: t("log.col.application"), render: (e) => (e.application === "" ? e.client : e.application) },
        {
          key: "factor",
          label: t("log.col.factor"),
          render: (e) => (e.factor === undefined || e.factor === "" ? "–" : t(`factor.${e.factor}`, { defaultValue: e.factor })),
        },
        { key: "from", label: t("log.col.from"), render: (e) => <Mono>{e.from !== undefined && e.from !== "" ? e.from : e.source}</Mono> },
        { key: "took", label: t("log.col.took"), number: true, render: (e) => span(e.took_us) },
        { key: "reference", label: t("log.col.reference"), render: (e) => <Reference value={e.reference} /> },
      ]}
    />
  );
}

function Sessions({ name }: { name: string }) {
  const q = useGet<Listed<SessionRow>>(`/v1/accounts/${part(name)}/sessions`);
  return <Answered q={q}>{(d) => <SessionRows rows={d.items} account={false} />}</Answered>;
}

function Changes({ name }: { name: string }) {
  const { t } = useText();
  const list = useList<Act>("/v1/acts", { subject: name, limit: 50 });
  if (list.error !== null) return <Fault error={list.error} retry={() => void list.refetch()} />;
  if (list.isPending) return <Waiting />;
  return (
    <Section>
      {list.items.length === 0 ? <Empty title={t("acts.none")} /> : <Acts acts={list.items} subject={false} />}
      {list.hasNextPage && (
        <Button variant="default" size="xs" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {t("act.more")}
        </Button>
      )}
    </Section>
  );
}
