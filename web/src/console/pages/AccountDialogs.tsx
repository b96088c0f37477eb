// What is asked for on the page of an account. It is loaded when it is first needed.
import {
  Alert,
  Button,
  Group,
  List,
  Modal,
  MultiSelect,
  NumberInput,
  PasswordInput,
  Radio,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { useState } from "react";
import { Qr } from "~/ui/secrets";
import { part } from "../api/call";
import type { AccountView, AuthenticatorView, BoundView, Group as GroupView, Page as Listed } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useGo } from "../go";
import { fromLocal } from "../lib/time";
import { FormDialog } from "../ui/Form";
import { Go, Mono } from "../ui/kit";
import { useRoles } from "../ui/roles";

interface DialogProps {
  a: AccountView;
  close: () => void;
}

export function BlockDialog({ a, close }: DialogProps) {
  const { t } = useText();
  const [reason, setReason] = useState("");
  const [until, setUntil] = useState("");
  const change = useChange();
  return (
    <FormDialog
      title={t("account.block_title", { name: a.name })}
      close={close}
      act={t("account.block")}
      danger
      busy={change.busy}
      ready={reason.trim() !== ""}
      error={change.error}
      submit={() =>
        change.run({
          path: `/v1/accounts/${part(a.name)}/block`,
          body: { reason: reason.trim(), ...(until === "" ? {} : { until: fromLocal(until) }) },
          done: t("account.did_block", { name: a.name }),
          after: close,
        })
      }
    >
      <List size="sm">
        <List.Item>{t("account.block_1")}</List.Item>
        <List.Item>{t("account.block_2")}</List.Item>
        <List.Item>{t("account.block_3")}</List.Item>
      </List>
      <TextInput
        label={t("confirm.reason")}
        description={t("confirm.reason_help")}
        required
        value={reason}
        onChange={(e) => setReason(e.currentTarget.value)}
        data-autofocus
      />
      <TextInput
        label={t("account.block_until")}
        description={t("account.block_until_help")}
        type="datetime-local"
        value={until}
        onChange={(e) => setUntil(e.currentTarget.value)}
      />
    </FormDialog>
  );
}

export function BypassDialog({ a, close }: DialogProps) {
  const { t } = useText();
  const [seconds, setSeconds] = useState<number | string>(300);
  const [reason, setReason] = useState("");
  const change = useChange();
  return (
    <FormDialog
      title={t("bypass.title", { name: a.name })}
      close={close}
      act={t("bypass.give")}
      busy={change.busy}
      ready={reason.trim() !== "" && typeof seconds === "number"}
      error={change.error}
      submit={() =>
        change.run({
          path: `/v1/accounts/${part(a.name)}/bypass`,
          body: { seconds: Number(seconds), reason: reason.trim() },
          done: t("bypass.did_give", { name: a.name }),
          after: close,
        })
      }
    >
      <Text size="sm">{t("bypass.lead")}</Text>
      <NumberInput
        label={t("bypass.seconds")}
        description={t("bypass.seconds_help")}
        min={10}
        max={86400}
        value={seconds}
        onChange={setSeconds}
        required
      />
      <Group gap={4} role="group" aria-label={t("bypass.usual")}>
        {[120, 300, 900, 3600].map((s) => (
          <Button key={s} size="compact-xs" variant="default" type="button" onClick={() => setSeconds(s)}>
            {t("bypass.minutes", { count: s / 60 })}
          </Button>
        ))}
      </Group>
      <TextInput
        label={t("confirm.reason")}
        description={t("confirm.reason_help")}
        required
        value={reason}
        onChange={(e) => setReason(e.currentTarget.value)}
        data-autofocus
      />
    </FormDialog>
  );
}

export function RoleDialog({ a, close }: DialogProps) {
  const { t } = useText();
  const [role, setRole] = useState(a.role ?? "");
  const { roles, error } = useRoles();
  const change = useChange();
  return (
    <FormDialog
      title={t("account.role_title", { name: a.name })}
      close={close}
      act={t("account.role")}
      busy={change.busy}
      ready={role !== (a.role ?? "")}
      error={change.error ?? error}
      submit={() =>
        change.run({
          path: `/v1/accounts/${part(a.name)}/role`,
          body: { role },
          done: t("account.did_role", { name: a.name }),
          after: close,
        })
      }
    >
      <Text size="sm">{t("account.role_lead")}</Text>
      <Radio.Group value={role} onChange={setRole} label={t("accounts.role")}>
        <Stack gap="xs" mt="xs">
          <Radio value="" label={t("account.no_role")} description={t("account.no_role_help")} />
          {roles.map((r) => (
            <Radio key={r.name} value={r.name} disabled={r.beyond} label={r.label} description={r.about} />
          ))}
        </Stack>
      </Radio.Group>
      <Alert color="blue" title={t("confirm.happens")}>
        <List size="sm">
          <List.Item>{t("account.role_sessions")}</List.Item>
          <List.Item>{t("account.role_invitation")}</List.Item>
        </List>
      </Alert>
    </FormDialog>
  );
}

export function PasswordDialog({ a, close }: DialogProps) {
  const { t } = useText();
  const [password, setPassword] = useState("");
  const change = useChange();
  return (
    <FormDialog
      title={t("account.password_title", { name: a.name })}
      close={close}
      act={t("account.password")}
      busy={change.busy}
      ready={password.length >= 8}
      error={change.error}
      submit={() =>
        change.run({
          path: `/v1/accounts/${part(a.name)}/password`,
          body: { password },
          done: t("account.did_password", { name: a.name }),
          after: close,
        })
      }
    >
      <List size="sm">
        <List.Item>{t("account.password_1")}</List.Item>
        <List.Item>{t("account.password_2")}</List.Item>
      </List>
      <PasswordInput
        size="sm"
        label={t("account.password_new")}
        description={t("account.password_help")}
        autoComplete="new-password"
        required
        value={password}
        onChange={(e) => setPassword(e.currentTarget.value)}
        data-autofocus
      />
    </FormDialog>
  );
}

export function EditDialog({ a, close }: DialogProps) {
  const { t } = useText();
  const go = useGo();
  const may = useMay();
  const [name, setName] = useState(a.name);
  const [aliases, setAliases] = useState(a.aliases);
  const [groups, setGroups] = useState(a.groups);
  const all = useGet<Listed<GroupView>>("/v1/groups", undefined, { enabled: may("settings.read") });
  const change = useChange<AccountView>();
  return (
    <FormDialog
      title={t("account.edit_title", { name: a.name })}
      close={close}
      act={t("act.save")}
      busy={change.busy}
      ready={name.trim() !== ""}
      error={change.error}
      submit={() =>
        change.run({
          method: "PATCH",
          path: `/v1/accounts/${part(a.name)}`,
          body: { ...(name === a.name ? {} : { name }), aliases, groups },
          done: t("act.saved"),
          after: (now) => {
            close();
            if (now.name !== undefined && now.name !== a.name) go(`/console/accounts/${part(now.name)}`, { replace: true });
          },
        })
      }
    >
      <TextInput
        label={t("accounts.name")}
        description={t("account.name_help")}
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        required
        autoComplete="off"
        spellCheck={false}
      />
      <TagsInput
        label={t("accounts.aliases")}
        description={t("account.aliases_help")}
        value={aliases}
        onChange={setAliases}
        splitChars={[",", " "]}
      />
      <MultiSelect
        label={t("accounts.groups")}
        description={t("account.groups_help")}
        data={[...new Set([...(all.data?.items ?? []).map((g) => g.name), ...a.groups])]}
        value={groups}
        onChange={setGroups}
        nothingFoundMessage={t("nothing")}
        searchable
      />
    </FormDialog>
  );
}

export function AddDialog({ a, close }: DialogProps) {
  const { t } = useText();
  const [label, setLabel] = useState("");
  const [made, setMade] = useState<BoundView | undefined>();
  const change = useChange<BoundView>();
  if (made !== undefined) {
    return (
      <Modal opened onClose={close} title={t("authenticator.made", { name: a.name })} closeButtonProps={{ "aria-label": t("act.close") }}>
        <Stack gap="md">
          <Made bound={made} />
          <Group justify="flex-end">
            <Button onClick={close}>{t("act.done")}</Button>
          </Group>
        </Stack>
      </Modal>
    );
  }
  return (
    <FormDialog
      title={t("authenticator.add_title", { name: a.name })}
      close={close}
      act={t("account.add_authenticator")}
      busy={change.busy}
      ready
      error={change.error}
      submit={() =>
        change.run({ path: `/v1/accounts/${part(a.name)}/authenticators`, body: { factor: "oath", label: label.trim() }, after: setMade })
      }
    >
      <Text size="sm">{t("authenticator.add_lead")}</Text>
      <Alert color="blue">{t("authenticator.add_rather")}</Alert>
      <TextInput
        label={t("authenticator.label")}
        description={t("authenticator.label_help")}
        value={label}
        onChange={(e) => setLabel(e.currentTarget.value)}
        data-autofocus
      />
      <Text size="sm">
        {t("authenticator.token_rather")} <Go to="/console/tokens">{t("nav.tokens")}</Go>
      </Text>
    </FormDialog>
  );
}

/** What its owner must be shown, which is kept nowhere else. */
function Made({ bound }: { bound: BoundView }) {
  const { t } = useText();
  if (bound.uri === undefined) return null;
  const secret = /[?&]secret=([A-Z2-7]+)/i.exec(bound.uri)?.[1];
  return (
    <Stack gap="sm" align="center">
      <Qr value={bound.uri} label={t("authenticator.qr")} />
      {secret !== undefined && <Mono>{secret.replace(/(.{4})/g, "$1 ").trim()}</Mono>}
      <Alert color="yellow">{t("authenticator.made_note")}</Alert>
    </Stack>
  );
}

export function ResyncDialog({ h, close }: { h: AuthenticatorView; close: () => void }) {
  const { t } = useText();
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const change = useChange();
  return (
    <FormDialog
      title={t("authenticator.resync_title")}
      close={close}
      act={t("authenticator.resync")}
      busy={change.busy}
      ready={first.trim() !== "" && second.trim() !== ""}
      error={change.error}
      submit={() =>
        change.run({
          path: `/v1/authenticators/${part(h.id)}/resync`,
          body: { first: first.trim(), second: second.trim() },
          done: t("authenticator.did_resync"),
          after: close,
        })
      }
    >
      <Text size="sm">{t("authenticator.resync_lead")}</Text>
      <TextInput
        label={t("authenticator.first")}
        inputMode="numeric"
        autoComplete="off"
        required
        value={first}
        onChange={(e) => setFirst(e.currentTarget.value)}
        data-autofocus
      />
      <TextInput
        label={t("authenticator.second")}
        inputMode="numeric"
        autoComplete="off"
        required
        value={second}
        onChange={(e) => setSecond(e.currentTarget.value)}
      />
    </FormDialog>
  );
}
