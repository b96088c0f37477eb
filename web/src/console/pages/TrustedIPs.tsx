import { Checkbox, Select, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { Application, Page as Listed, TrustedIPView } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useConfirm } from "../ui/confirm";
import { FormSection, RemoveButton } from "../ui/Form";
import { Answered, Empty, Fault, MayButton, Mono, Page, Time, Warnings } from "../ui/kit";
import { Rows } from "../ui/Rows";

export default function TrustedIPs() {
  const { t } = useText();
  const may = useMay();
  const q = useGet<Listed<TrustedIPView>>("/v1/trusted-ips", undefined, { enabled: may("policy.read") });
  const applications = useGet<Listed<Application>>("/v1/applications", undefined, { enabled: may("settings.read") });
  const [open, setOpen] = useState(false);
  const [application, setApplication] = useState<string | null>(null);
  const [range, setRange] = useState("");
  const [note, setNote] = useState("");
  const [wide, setWide] = useState(false);
  const add = useChange<TrustedIPView>();
  const remove = useChange();
  const confirm = useConfirm();
  const drop = async (v: TrustedIPView) => {
    const yes = await confirm({
      title: t("trusted.remove_title", { range: v.range }),
      consequences: [t("trusted.remove_1", { application: v.application })],
      act: t("act.remove"),
    });
    if (yes) remove.run({ method: "DELETE", path: `/v1/trusted-ips/${part(v.id)}`, done: t("trusted.did_remove") });
  };
  return (
    <Page
      title={t("nav.trusted")}
      lead={t("trusted.lead")}
      permission="policy.read"
      actions={
        <MayButton permission="policy.write" onClick={() => setOpen(!open)}>
          {t("trusted.add")}
        </MayButton>
      }
    >
      {open && (
        <FormSection
          title={t("trusted.add")}
          lead={t("trusted.add_lead")}
          act={t("trusted.add")}
          busy={add.busy}
          ready={application !== null && range.trim() !== ""}
          error={add.error}
          submit={() =>
            add.run({
              path: "/v1/trusted-ips",
              body: { application, range: range.trim(), note: note.trim(), wide },
              done: t("trusted.did_add"),
              after: () => {
                setRange("");
                setNote("");
                setWide(false);
                setOpen(false);
              },
            })
          }
        >
          <Select
            label={t("event.application")}
            data={(applications.data?.items ?? []).map((a) => a.name)}
            value={application}
            onChange={setApplication}
            required
            nothingFoundMessage={t("nothing")}
          />
          <TextInput
            label={t("trusted.range")}
            description={t("trusted.range_help")}
            required
            value={range}
            onChange={(e) => setRange(e.currentTarget.value)}
            autoComplete="off"
          />
          <TextInput
            label={t("trusted.note")}
            description={t("trusted.note_help")}
            value={note}
            onChange={(e) => setNote(e.currentTarget.value)}
          />
          <Checkbox label={t("trusted.wide")} checked={wide} onChange={(e) => setWide(e.currentTarget.checked)} />
        </FormSection>
      )}
      <Fault error={remove.error} />
      <Answered q={q}>
        {(d) => (
          <Rows
            label={t("nav.trusted")}
            rows={d.items}
            id={(v) => v.id}
            empty={
              <Empty title={t("trusted.none")} good>
                {t("trusted.none_help")}
              </Empty>
            }
            columns={[
              { key: "range", label: t("trusted.range"), render: (v) => <Mono>{v.range}</Mono> },
              { key: "application", label: t("event.application"), render: (v) => v.application },
              { key: "note", label: t("trusted.note"), render: (v) => v.note ?? "–" },
              { key: "created", label: t("accounts.created"), render: (v) => <Time at={v.created} /> },
              { key: "warnings", label: t("warnings"), render: (v) => (v.warnings.length > 0 ? <Warnings list={v.warnings} /> : "–") },
              {
                key: "do",
                label: "",
                render: (v) => <RemoveButton permission="policy.write" of={v.range} remove={() => void drop(v)} />,
              },
            ]}
          />
        )}
      </Answered>
    </Page>
  );
}
