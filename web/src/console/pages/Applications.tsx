import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { Application, ClientView, Page as Listed } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useGo } from "../go";
import { useConfirm } from "../ui/confirm";
import { Answered, Empty, Fault, Go, MayButton, MayLink, Mono, Page, Section, State, Status } from "../ui/kit";
import { Rows } from "../ui/Rows";

/** What is protected, and who sends its logins. */
export default function Applications() {
  const { t } = useText();
  const go = useGo();
  const may = useMay();
  const apps = useGet<Listed<Application>>("/v1/applications", undefined, { enabled: may("settings.read") });
  const clients = useGet<Listed<ClientView>>("/v1/clients", undefined, { enabled: may("settings.read") });
  const [adding, setAdding] = useState(false);
  const [name, setName] = useState("");
  const add = useChange();
  const remove = useChange();
  const confirm = useConfirm();
  const drop = async (a: string) => {
    const yes = await confirm({
      title: t("applications.remove_title", { name: a }),
      consequences: [t("applications.remove_1")],
      act: t("act.remove"),
      danger: true,
    });
    if (yes) remove.run({ method: "DELETE", path: `/v1/applications/${part(a)}`, done: t("applications.did_remove") });
  };
  return (
    <Page
      title={t("applications.title")}
      lead={t("applications.lead")}
      permission="settings.read"
      actions={
        <>
          <MayLink permission="settings.write" to="/console/applications/add">
            {t("task.vpn")}
          </MayLink>
          <MayButton permission="settings.write" variant="default" onClick={() => setAdding(!adding)}>
            {t("applications.add")}
          </MayButton>
        </>
      }
    >
      {adding && (
        <Section title={t("applications.add")} lead={t("applications.add_lead")}>
          <form
            onSubmit={(e) => {
              e.preventDefault();
              add.run({
                path: "/v1/applications",
                body: { name: name.trim() },
                done: t("applications.did_add"),
                after: () => {
                  setName("");
                  setAdding(false);
                },
              });
            }}
          >
            <Stack gap="sm">
              <Group align="flex-end" gap="sm">
                <TextInput
                  label={t("applications.name")}
                  required
                  value={name}
                  onChange={(e) => setName(e.currentTarget.value)}
                  autoFocus
                />
                <Button type="submit" loading={add.busy} disabled={name.trim() === ""}>
                  {t("applications.add")}
                </Button>
              </Group>
              <Fault error={add.error} />
            </Stack>
          </form>
        </Section>
      )}
      <Fault error={remove.error ?? clients.error} />
      <Answered q={apps}>
        {(d) =>
          d.items.length === 0 ? (
            <Section>
              <Empty
                title={t("applications.none")}
                action={
                  <MayLink permission="settings.write" to="/console/applications/add">
                    {t("task.vpn")}
                  </MayLink>
                }
              >
                {t("applications.none_help")}
              </Empty>
            </Section>
          ) : (
            d.items.map((a) => {
              const mine = (clients.data?.items ?? []).filter((c) => c.application === a.name);
              return (
                <Section
                  key={a.name}
                  flush
                  title={a.name}
                  actions={
                    <>
                      <MayLink
                        permission="event.read"
                        size="compact-sm"
                        variant="subtle"
                        to={`/console/sign-ins?application=${encodeURIComponent(a.name)}`}
                      >
                        {t("applications.logins")}
                      </MayLink>
                      <MayButton
                        permission="settings.write"
                        size="compact-sm"
                        variant="subtle"
                        color="red"
                        onClick={() => void drop(a.name)}
                        aria-label={`${t("act.remove")}: ${a.name}`}
                      >
                        {t("act.remove")}
                      </MayButton>
                    </>
                  }
                >
                  <Rows
                    label={t("applications.clients_of", { name: a.name })}
                    rows={mine}
                    id={(c) => c.name}
                    open={(c) => go(`/console/clients/${part(c.name)}`)}
                    empty={<Empty title={t("applications.no_clients")}>{t("applications.no_clients_help")}</Empty>}
                    columns={[
                      { key: "name", label: t("event.client"), render: (c) => <Go to={`/console/clients/${part(c.name)}`}>{c.name}</Go> },
                      {
                        key: "door",
                        label: t("event.door"),
                        render: (c) => t(`door.${c.door ?? "radius"}`, { defaultValue: c.door ?? "radius" }),
                      },
                      {
                        key: "source",
                        label: t("client.source"),
                        render: (c) => (c.source === "" ? (c.origins ?? []).join(", ") || "–" : <Mono>{c.source}</Mono>),
                      },
                      {
                        key: "mode",
                        label: t("client.mode"),
                        render: (c) => (c.door === "https" ? "–" : t(`client.mode_${c.mode}`, { defaultValue: c.mode })),
                      },
                      {
                        key: "password",
                        label: t("client.password"),
                        render: (c) => t(`client.password_${c.password}`, { defaultValue: c.password }),
                      },
                      {
                        key: "warnings",
                        label: t("warnings"),
                        render: (c) => (
                          <Group gap={6}>
                            {c.warnings.length > 0 ? (
                              <Status tone="warn">{t("client.warnings", { count: c.warnings.length })}</Status>
                            ) : c.secrets > 1 ? null : (
                              "–"
                            )}
                            {c.secrets > 1 && <State color="yellow">{t("client.rotating")}</State>}
                          </Group>
                        ),
                      },
                    ]}
                  />
                </Section>
              );
            })
          )
        }
      </Answered>
    </Page>
  );
}
