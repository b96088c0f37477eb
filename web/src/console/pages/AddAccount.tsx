import { Button, Group, MultiSelect, PasswordInput, Radio, Stack, TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { AccountView, Group as GroupView, Page as Listed } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useGo } from "../go";
import { InviteDialog } from "../ui/InviteDialog";
import { Fault, Page, Section } from "../ui/kit";

/** A new person; then they are invited to enrol. */
export default function AddAccount() {
  const { t } = useText();
  const go = useGo();
  const may = useMay();
  const [name, setName] = useState("");
  const [aliases, setAliases] = useState<string[]>([]);
  const [groups, setGroups] = useState<string[]>([]);
  const [way, setWay] = useState("invite");
  const [password, setPassword] = useState("");
  const [made, setMade] = useState<AccountView | undefined>();
  const all = useGet<Listed<GroupView>>("/v1/groups", undefined, { enabled: may("settings.read") });
  const change = useChange<AccountView>();
  const after = (a: AccountView) => go(`/console/accounts/${part(a.name)}`, { replace: true });
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
            change.run({
              path: "/v1/accounts",
              body: { name: name.trim(), aliases, groups, ...(way === "password" ? { password } : {}) },
              done: t("add_account.did", { name: name.trim() }),
              after: (a) => (may("account.invite") && way !== "external" ? setMade(a) : after(a)),
            });
          }}
        >
          <Stack gap="md" maw={560}>
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
            <Fault error={change.error} />
            <Group>
              <Button type="submit" loading={change.busy} disabled={name.trim() === ""}>
                {t("accounts.add")}
              </Button>
            </Group>
          </Stack>
        </form>
      </Section>
      {made !== undefined && <InviteDialog account={made.name} replace={false} close={() => after(made)} />}
    </Page>
  );
}
