// Tokens that nobody holds yet, and bringing in more.
import { Alert, Button, FileInput, Group, List, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { part } from "../api/call";
import type { AuthenticatorView, ImportResult } from "../api/types";
import { useChange, useList, useMay, useText } from "../core";
import { useConfirm } from "../ui/confirm";
import { FormDialog, RemoveButton } from "../ui/Form";
import { Empty, Fault, MayButton, Mono, Page, Section, sentence, Time, Waiting } from "../ui/kit";
import { Rows } from "../ui/Rows";
import classes from "./plain.module.css";

export default function Tokens() {
  const { t } = useText();
  const may = useMay();
  const list = useList<AuthenticatorView>("/v1/authenticators", undefined, { enabled: may("authenticator.read") });
  const [importing, setImporting] = useState(false);
  const [assigning, setAssigning] = useState<AuthenticatorView | undefined>();
  const remove = useChange();
  const confirm = useConfirm();
  const drop = async (h: AuthenticatorView) => {
    const label = h.serial ?? h.label;
    const yes = await confirm({
      title: t("tokens.remove_title", { label }),
      consequences: [t("tokens.remove_1"), t("authenticator.revoke_undo")],
      act: t("act.remove"),
      danger: true,
    });
    if (yes) remove.run({ method: "DELETE", path: `/v1/authenticators/${part(h.id)}`, done: t("tokens.did_remove") });
  };
  return (
    <Page
      title={t("tokens.title")}
      lead={t("tokens.lead")}
      permission="authenticator.read"
      actions={
        <MayButton permission="authenticator.write" onClick={() => setImporting(!importing)}>
          {t("tokens.import")}
        </MayButton>
      }
    >
      {importing && <Import close={() => setImporting(false)} />}
      <Fault error={list.error ?? remove.error} />
      {list.data === undefined && list.error === null && <Waiting />}
      {list.data !== undefined && (
        <Rows
          label={t("tokens.title")}
          rows={list.items}
          id={(h) => h.id}
          more={{ has: list.hasNextPage, busy: list.isFetchingNextPage, load: () => void list.fetchNextPage() }}
          empty={<Empty title={t("tokens.none")}>{t("tokens.none_help")}</Empty>}
          columns={[
            { key: "serial", label: t("authenticator.serial"), render: (h) => <Mono>{h.serial ?? "–"}</Mono> },
            { key: "label", label: t("authenticator.label"), render: (h) => h.label || "–" },
            { key: "factor", label: t("authenticator.kind"), render: (h) => t(`factor.${h.factor}`, { defaultValue: h.factor }) },
            { key: "created", label: t("tokens.imported"), render: (h) => <Time at={h.created} /> },
            {
              key: "do",
              label: "",
              render: (h) => (
                <Group gap={4} justify="flex-end">
                  <MayButton permission="authenticator.write" size="compact-xs" variant="light" onClick={() => setAssigning(h)}>
                    {t("tokens.assign")}
                  </MayButton>
                  <RemoveButton permission="authenticator.revoke" of={h.serial ?? h.label} remove={() => void drop(h)} />
                </Group>
              ),
            },
          ]}
        />
      )}
      {assigning !== undefined && <Assign h={assigning} close={() => setAssigning(undefined)} />}
    </Page>
  );
}

function Assign({ h, close }: { h: AuthenticatorView; close: () => void }) {
  const { t } = useText();
  const [account, setAccount] = useState("");
  const change = useChange();
  return (
    <FormDialog
      title={t("tokens.assign_title", { label: h.serial ?? h.label })}
      close={close}
      act={t("tokens.assign")}
      busy={change.busy}
      ready={account.trim() !== ""}
      error={change.error}
      submit={() =>
        change.run({
          path: `/v1/authenticators/${part(h.id)}/assign`,
          body: { account: account.trim() },
          done: t("tokens.did_assign", { name: account.trim() }),
          after: close,
        })
      }
    >
      <Text size="sm">{t("tokens.assign_lead")}</Text>
      <TextInput
        label={t("event.account")}
        required
        value={account}
        onChange={(e) => setAccount(e.currentTarget.value)}
        data-autofocus
        autoComplete="off"
        spellCheck={false}
      />
    </FormDialog>
  );
}

async function base64(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

/** What a row of a file lacks, whichever way the server spells it. */
function badRow(row: Record<string, unknown>): string {
  const get = (...names: string[]) => names.map((n) => row[n]).find((v) => v !== undefined && v !== "" && v !== 0);
  const line = get("line", "Line", "row", "Row");
  const serial = get("serial", "Serial");
  const reason = get("reason", "Reason", "why", "Why");
  return [line === undefined ? undefined : `${String(line)}`, serial, reason].filter((x) => x !== undefined).join(": ");
}

function Import({ close }: { close: () => void }) {
  const { t, n } = useText();
  const [file, setFile] = useState<File | null>(null);
  const [key, setKey] = useState("");
  const [passphrase, setPassphrase] = useState("");
  const [result, setResult] = useState<ImportResult | undefined>();
  const [reading, setReading] = useState<Error | undefined>();
  const change = useChange<ImportResult>();
  const run = async () => {
    if (file === null) return;
    try {
      const hex = key.replace(/\s/g, "");
      const keyBytes = hex === "" ? undefined : btoa(String.fromCharCode(...(hex.match(/../g) ?? []).map((b) => Number.parseInt(b, 16))));
      change.run({
        path: "/v1/authenticators/import",
        body: {
          file: await base64(file),
          ...(keyBytes === undefined ? {} : { key: keyBytes }),
          ...(passphrase === "" ? {} : { passphrase }),
        },
        after: setResult,
      });
    } catch (e) {
      setReading(e as Error);
    }
  };
  return (
    <Section title={t("tokens.import")} lead={t("tokens.import_lead")}>
      <form
        className={classes.form}
        onSubmit={(e) => {
          e.preventDefault();
          void run();
        }}
      >
        <Stack gap="md">
          <FileInput
            label={t("tokens.file")}
            description={t("tokens.file_help")}
            value={file}
            onChange={setFile}
            required
            clearable
            placeholder={t("tokens.choose")}
          />
          <PasswordInput
            size="sm"
            label={t("tokens.passphrase")}
            description={t("tokens.passphrase_help")}
            value={passphrase}
            onChange={(e) => setPassphrase(e.currentTarget.value)}
            autoComplete="off"
          />
          <TextInput
            label={t("tokens.key")}
            description={t("tokens.key_help")}
            value={key}
            onChange={(e) => setKey(e.currentTarget.value)}
            autoComplete="off"
          />
          <Fault error={change.error ?? reading} />
          {result !== undefined && (
            <Alert
              color={(result.bad?.length ?? 0) > 0 ? "yellow" : "green"}
              title={t("tokens.added", { count: result.added, n: n(result.added) })}
              role="status"
            >
              {t("tokens.unassigned", { count: result.unassigned, n: n(result.unassigned) })}
              {(result.bad?.length ?? 0) > 0 && (
                <>
                  <Text size="sm" mt="xs" fw={600}>
                    {t("tokens.bad", { count: result.bad?.length ?? 0 })}
                  </Text>
                  <List size="sm">
                    {result.bad?.slice(0, 50).map((b) => (
                      <List.Item key={badRow(b)}>{sentence(badRow(b))}</List.Item>
                    ))}
                  </List>
                </>
              )}
            </Alert>
          )}
          <Group>
            <Button type="submit" loading={change.busy} disabled={file === null}>
              {t("tokens.import")}
            </Button>
            <Button type="button" variant="default" onClick={close}>
              {t("act.close")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
