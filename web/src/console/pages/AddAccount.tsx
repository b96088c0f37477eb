import { Alert, Button, Fieldset, Group, MultiSelect, PasswordInput, Radio, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { AccountView, Group as GroupView, Page as Listed } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useGo } from "../go";
import { InviteDialog } from "../ui/InviteDialog";
import { Fault, Page, Section } from "../ui/kit";
import { useRoles } from "../ui/roles";
import classes from "./plain.module.css";

/** A new person, with the role that they are to have; then they are invited to enrol. */
export default function AddAccount() {
  const { t } = useText();
  const go = useGo();
  const may = useMay();
  const [name, setName] = useState("");
  const [aliases, setAliases] = useState<string[]>([]);
  const [groups, setGroups] = useState<string[]>([]);
  const [way, setWay] = useState("invite");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState("");
  const [added, setAdded] = useState<AccountView | undefined>();
  const [made, setMade] = useState<AccountView | undefined>();
  const all = useGet<Listed<GroupView>>("/v1/groups", undefined, { enabled: may("settings.read") });
  const { roles } = useRoles();
  const change = useChange<AccountView>();
  const giving = useChange<AccountView>();
  const after = (a: AccountView) => go(`/console/accounts/${part(a.name)}`, { replace: true });
  const onward = (a: AccountView) => (may("account.invite") && way !== "external" ? setMade(a) : after(a));
  // An invitation is made for the role that its account has then, so the role comes first.
  const give = (a: AccountView) => {
    setAdded(a);
    if (role === "") onward(a);
    else giving.run({ path: `/v1/accounts/${part(a.name)}/role`, body: { role }, after: onward });
  };
  return (
    <Page
      title={t("accounts.add")}
      lead={t("add_account.lead")}
      permission="account.write"
      back={{ to: "/console/accounts", label: t("accounts.title") }}
    >
      <Section>
        <form
          onSubmit={(e) => {
            e.preventDefault();
            if (added !== undefined) give(added);
            else
              change.run({
                path: "/v1/accounts",
                body: { name: name.trim(), aliases, groups, ...(way === "password" ? { password } : {}) },
                done: t("add_account.did", { name: name.trim() }),
                after: give,
              });
          }}
        >
          <Stack gap="md" maw={560}>
            <Fieldset variant="unstyled" disabled={added !== undefined} className={classes.fields}>
              <TextInput
                label={t("accounts.name")}
                description={t("add_account.name_help")}
                required
                value={name}
                onChange={(e) => setName(e.currentTarget.value)}
                autoComplete="off"
                autoCapitalize="off"
                spellCheck={false}
                autoFocus
              />
              <TagsInput
                label={t("accounts.aliases")}
                description={t("account.aliases_help")}
                value={aliases}
                onChange={setAliases}
                splitChars={[",", " "]}
              />
              {(all.data?.items.length ?? 0) > 0 && (
                <MultiSelect
                  label={t("accounts.groups")}
                  description={t("account.groups_help")}
                  data={(all.data?.items ?? []).map((g) => g.name)}
                  value={groups}
                  onChange={setGroups}
                />
              )}
              <Radio.Group label={t("add_account.password")} value={way} onChange={setWay}>
                <Stack gap="xs" mt="xs">
                  <Radio value="invite" label={t("add_account.way_invite")} description={t("add_account.way_invite_help")} />
                  <Radio value="password" label={t("add_account.way_password")} description={t("add_account.way_password_help")} />
                  <Radio value="external" label={t("add_account.way_external")} description={t("add_account.way_external_help")} />
                </Stack>
              </Radio.Group>
              {way === "password" && (
                <PasswordInput
                  size="sm"
                  label={t("account.password_new")}
                  description={t("account.password_help")}
                  autoComplete="new-password"
                  required
                  value={password}
                  onChange={(e) => setPassword(e.currentTarget.value)}
                />
              )}
            </Fieldset>
            {may("role.write") && roles.length > 0 && (
              <Select
                label={t("accounts.role")}
                description={t("add_account.role_help")}
                data={[
                  { value: "", label: t("account.no_role") },
                  ...roles.map((r) => ({ value: r.name, label: r.label, disabled: r.beyond })),
                ]}
                value={role}
                onChange={(v) => setRole(v ?? "")}
              />
            )}
            <Fault error={change.error} />
            {giving.error !== null && added !== undefined && (
              <>
                <Alert color="yellow" role="alert">
                  {t("add_account.role_failed", { name: added.name })}
                </Alert>
                <Fault error={giving.error} />
              </>
            )}
            <Group>
              <Button type="submit" loading={change.busy || giving.busy} disabled={name.trim() === ""}>
                {t(added === undefined ? "accounts.add" : "add_account.go_on")}
              </Button>
            </Group>
          </Stack>
        </form>
      </Section>
      {made !== undefined && <InviteDialog account={made.name} replace={false} close={() => after(made)} />}
    </Page>
  );
}
