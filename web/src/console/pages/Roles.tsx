import { Badge, Group, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { Page as Listed, RoleView } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useConfirm } from "../ui/confirm";
import { FormSection } from "../ui/Form";
import { Answered, Fault, Go, MayButton, Page, Section } from "../ui/kit";
import { Permissions } from "../ui/Permissions";
import classes from "./plain.module.css";

export default function Roles() {
  const { t } = useText();
  const may = useMay();
  const q = useGet<Listed<RoleView>>("/v1/roles", undefined, { enabled: may("role.read") });
  const [editing, setEditing] = useState<RoleView | "new" | undefined>();
  return (
    <Page
      title={t("nav.roles")}
      lead={t("roles.lead")}
      permission="role.read"
      actions={
        <MayButton permission="role.write" onClick={() => setEditing("new")}>
          {t("roles.add")}
        </MayButton>
      }
    >
      {editing !== undefined && (
        <Editor
          key={editing === "new" ? "" : editing.name}
          role={editing === "new" ? undefined : editing}
          close={() => setEditing(undefined)}
        />
      )}
      <Answered q={q}>
        {(d) =>
          d.items.map((r) => (
            <One
              key={r.name}
              r={r}
              edit={() => {
                setEditing(r);
                window.scrollTo(0, 0);
              }}
            />
          ))
        }
      </Answered>
    </Page>
  );
}

function One({ r, edit }: { r: RoleView; edit: () => void }) {
  const { t, n } = useText();
  const change = useChange();
  const confirm = useConfirm();
  const drop = async () => {
    const yes = await confirm({
      title: t("roles.remove_title", { name: r.name }),
      consequences: [t("roles.remove_1")],
      act: t("act.remove"),
      danger: true,
    });
    if (yes) change.run({ method: "DELETE", path: `/v1/roles/${part(r.name)}`, done: t("roles.did_remove") });
  };
  return (
    <Section
      title={
        <Group gap="xs" component="span">
          {t(`role.name.${r.name}`, { defaultValue: r.name })}
          {r.builtin && <Badge color="gray">{t("roles.builtin")}</Badge>}
        </Group>
      }
      lead={r.builtin ? t(`role.about.${r.name}`) : t("role.custom_about", { count: r.permissions.length })}
      actions={
        <>
          {r.accounts === 0 && <Text c="dimmed">{t("roles.nobody")}</Text>}
          {r.accounts !== undefined && r.accounts > 0 && (
            <Go to={`/console/accounts?role=${encodeURIComponent(r.name)}`}>
              {t("roles.people", { count: r.accounts, n: n(r.accounts) })}
            </Go>
          )}
          {!r.builtin && (
            <>
              <MayButton permission="role.write" size="compact-sm" variant="default" onClick={edit}>
                {t("act.edit")}
              </MayButton>
              <MayButton permission="role.write" size="compact-sm" variant="subtle" color="red" onClick={() => void drop()}>
                {t("act.remove")}
              </MayButton>
            </>
          )}
        </>
      }
    >
      <Fault error={change.error} />
      <details>
        <summary>{t("roles.permissions", { count: r.permissions.length })}</summary>
        <ul className={classes.list}>
          {r.permissions.map((p) => (
            <li key={p}>
              <Text size="sm" span>
                <b>{t(`permission.${p.replace(".", "_")}`, { defaultValue: p })}</b> –{" "}
                {t(`permission_about.${p.replace(".", "_")}`, { defaultValue: p })}
              </Text>
            </li>
          ))}
        </ul>
      </details>
    </Section>
  );
}

function Editor({ role, close }: { role?: RoleView; close: () => void }) {
  const { t } = useText();
  const [name, setName] = useState(role?.name ?? "");
  const [permissions, setPermissions] = useState(role?.permissions ?? ["event.read"]);
  const change = useChange();
  return (
    <FormSection
      wide
      title={role === undefined ? t("roles.add") : t("roles.edit", { name: role.name })}
      lead={t("roles.edit_lead")}
      act={t(role === undefined ? "roles.add" : "act.save")}
      busy={change.busy}
      ready={name.trim() !== "" && permissions.length > 0}
      error={change.error}
      cancel={close}
      submit={() => {
        if (role === undefined)
          change.run({ path: "/v1/roles", body: { name: name.trim(), permissions }, done: t("roles.did_add"), after: close });
        else
          change.run({ method: "PATCH", path: `/v1/roles/${part(role.name)}`, body: { permissions }, done: t("act.saved"), after: close });
      }}
    >
      {role === undefined && (
        <TextInput label={t("roles.name")} required value={name} onChange={(e) => setName(e.currentTarget.value)} autoFocus />
      )}
      <Permissions value={permissions} set={setPermissions} />
    </FormSection>
  );
}
