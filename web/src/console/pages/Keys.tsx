import { Alert, Button, Select, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { ClientView, KeyView, Page as Listed } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { fromLocal } from "../lib/time";
import { useConfirm } from "../ui/confirm";
import { FormSection, RemoveButton } from "../ui/Form";
import { Answered, Empty, Fault, MayButton, Page, SecretOnce, Section, Status, Time } from "../ui/kit";
import { Permissions } from "../ui/Permissions";
import { Rows } from "../ui/Rows";

/** Keys for programs that use the API. */
export default function Keys() {
  const { t } = useText();
  const may = useMay();
  const q = useGet<Listed<KeyView>>("/v1/api-keys", undefined, { enabled: may("apikey.read") });
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<{ name: string; secret: string } | undefined>();
  const remove = useChange();
  const confirm = useConfirm();
  const drop = async (k: KeyView) => {
    const yes = await confirm({
      title: t("keys.remove_title", { name: k.name }),
      consequences: [t("keys.remove_1"), t("keys.remove_2")],
      act: t("act.remove"),
      danger: true,
    });
    if (yes) remove.run({ method: "DELETE", path: `/v1/api-keys/${part(k.name)}`, done: t("keys.did_remove") });
  };
  return (
    <Page
      title={t("nav.keys")}
      lead={t("keys.lead")}
      permission="apikey.read"
      actions={
        <MayButton permission="apikey.write" onClick={() => setAdding(true)}>
          {t("keys.add")}
        </MayButton>
      }
    >
      {made !== undefined && (
        <Section
          title={t("keys.made", { name: made.name })}
          actions={
            <Button size="xs" variant="default" onClick={() => setMade(undefined)}>
              {t("act.done")}
            </Button>
          }
        >
          <SecretOnce label={t("keys.secret")} value={made.secret} note={t("keys.secret_note")} />
        </Section>
      )}
      {adding && (
        <Add
          close={() => setAdding(false)}
          made={(m) => {
            setMade(m);
            setAdding(false);
            window.scrollTo(0, 0);
          }}
        />
      )}
      <Fault error={remove.error} />
      <Answered q={q}>
        {(d) => (
          <Rows
            label={t("nav.keys")}
            rows={d.items}
            id={(k) => k.name}
            empty={<Empty title={t("keys.none")}>{t("keys.none_help")}</Empty>}
            columns={[
              { key: "name", label: t("keys.name"), render: (k) => k.name },
              {
                key: "permissions",
                label: t("keys.may"),
                render: (k) => (
                  <details>
                    <summary>{t("roles.permissions", { count: k.permissions.length })}</summary>
                    <Text size="sm">
                      {k.permissions.map((p) => t(`permission.${p.replace(".", "_")}`, { defaultValue: p })).join(", ")}
                    </Text>
                  </details>
                ),
              },
              { key: "client", label: t("event.client"), render: (k) => k.client ?? "–" },
              { key: "used", label: t("keys.used"), render: (k) => <Time at={k.used} none={t("keys.never")} /> },
              {
                key: "expires",
                label: t("sessions.expires"),
                render: (k) =>
                  k.expired === true ? <Status tone="bad">{t("keys.expired")}</Status> : <Time at={k.expires} none={t("keys.no_end")} />,
              },
              {
                key: "do",
                label: "",
                render: (k) => <RemoveButton permission="apikey.write" of={k.name} remove={() => void drop(k)} />,
              },
            ]}
          />
        )}
      </Answered>
    </Page>
  );
}

function Add({ close, made }: { close: () => void; made: (m: { name: string; secret: string }) => void }) {
  const { t } = useText();
  const may = useMay();
  const [name, setName] = useState("");
  const [permissions, setPermissions] = useState<string[]>([]);
  const [client, setClient] = useState<string | null>(null);
  const [expires, setExpires] = useState("");
  const clients = useGet<Listed<ClientView>>("/v1/clients", undefined, { enabled: may("settings.read") });
  const change = useChange<{ secret: string; name?: string }>();
  const decides = permissions.includes("login.decide");
  return (
    <FormSection
      wide
      title={t("keys.add")}
      act={t("keys.add")}
      busy={change.busy}
      ready={name.trim() !== "" && permissions.length > 0 && (!decides || client !== null)}
      error={change.error}
      cancel={close}
      submit={() =>
        change.run({
          path: "/v1/api-keys",
          body: {
            name: name.trim(),
            permissions,
            ...(decides && client !== null ? { client } : {}),
            ...(expires === "" ? {} : { expires: fromLocal(expires) }),
          },
          after: (a) => made({ name: name.trim(), secret: a.secret }),
        })
      }
    >
      <TextInput
        label={t("keys.name")}
        description={t("keys.name_help")}
        required
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        autoFocus
      />
      <TextInput
        label={t("keys.expires")}
        description={t("keys.expires_help")}
        type="datetime-local"
        value={expires}
        onChange={(e) => setExpires(e.currentTarget.value)}
      />
      <Permissions value={permissions} set={setPermissions} extra={["login.decide"]} />
      {decides && (
        <Select
          label={t("keys.client")}
          description={t("keys.client_help")}
          data={(clients.data?.items ?? []).filter((c) => c.door === "https").map((c) => c.name)}
          value={client}
          onChange={setClient}
          required
          nothingFoundMessage={t("keys.no_client")}
        />
      )}
      <Alert color="blue">{t("keys.once")}</Alert>
    </FormSection>
  );
}
