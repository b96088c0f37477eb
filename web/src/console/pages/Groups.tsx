import { TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { Group as GroupView, Page as Listed } from "../api/types";
import { useChange, useGet, useText } from "../core";
import { attributesOf } from "../lib/attributes";
import { useConfirm } from "../ui/confirm";
import { FormSection, RemoveButton } from "../ui/Form";
import { Answered, Empty, Fault, Go, MayButton, Mono, Page, Time } from "../ui/kit";
import { Rows } from "../ui/Rows";

export default function Groups() {
  const { t } = useText();
  const q = useGet<Listed<GroupView>>("/v1/groups");
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("");
  const [attributes, setAttributes] = useState<string[]>([]);
  const add = useChange<GroupView>();
  const remove = useChange();
  const confirm = useConfirm();
  const drop = async (g: GroupView) => {
    const yes = await confirm({
      title: t("groups.remove_title", { name: g.name }),
      consequences: [t("groups.remove_1"), t("groups.remove_2")],
      act: t("act.remove"),
      danger: true,
    });
    if (yes) remove.run({ method: "DELETE", path: `/v1/groups/${part(g.name)}`, done: t("groups.did_remove") });
  };
  return (
    <Page
      title={t("groups.title")}
      lead={t("groups.lead")}
      permission="settings.read"
      actions={
        <MayButton permission="settings.write" onClick={() => setOpen(!open)}>
          {t("groups.add")}
        </MayButton>
      }
    >
      {open && (
        <FormSection
          title={t("groups.add")}
          act={t("groups.add")}
          busy={add.busy}
          ready={name.trim() !== ""}
          error={add.error}
          submit={() =>
            add.run({
              path: "/v1/groups",
              body: { name: name.trim(), attributes: attributesOf(attributes) },
              done: t("groups.did_add"),
              after: () => {
                setName("");
                setAttributes([]);
                setOpen(false);
              },
            })
          }
        >
          <TextInput label={t("groups.name")} required value={name} onChange={(e) => setName(e.currentTarget.value)} autoFocus />
          <TagsInput
            label={t("attributes.label")}
            description={t("attributes.help")}
            placeholder="Filter-Id=staff"
            value={attributes}
            onChange={setAttributes}
          />
        </FormSection>
      )}
      <Fault error={remove.error} />
      <Answered q={q}>
        {(d) => (
          <Rows
            label={t("groups.title")}
            rows={d.items}
            id={(g) => g.name}
            empty={<Empty title={t("groups.none")}>{t("groups.none_help")}</Empty>}
            columns={[
              {
                key: "name",
                label: t("groups.name"),
                render: (g) => <Go to={`/console/accounts?group=${encodeURIComponent(g.name)}`}>{g.name}</Go>,
              },
              { key: "attributes", label: t("attributes.label"), render: (g) => <Mono>{(g.attributes ?? []).join(", ") || "–"}</Mono> },
              { key: "created", label: t("accounts.created"), render: (g) => <Time at={g.created} /> },
              {
                key: "do",
                label: "",
                render: (g) => <RemoveButton permission="settings.write" of={g.name} remove={() => void drop(g)} />,
              },
            ]}
          />
        )}
      </Answered>
    </Page>
  );
}
