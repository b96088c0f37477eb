import { Alert, Button, Checkbox, Code, Group, Modal, Radio, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Qr } from "~/ui/secrets";
import { part } from "../api/call";
import type { Invitation } from "../api/types";
import { useChange, useText } from "../core";
import classes from "./InviteDialog.module.css";
import { Copy, Fault, Time } from "./kit";

/** Invites a person to enrol: by a link that is sent, or a code that is read out. */
export function InviteDialog(props: { account: string; replace: boolean; close: () => void }) {
  const { t } = useText();
  const [kind, setKind] = useState<"link" | "code">(props.replace ? "code" : "link");
  const [checked, setChecked] = useState(false);
  const [made, setMade] = useState<Invitation | undefined>();
  const invite = useChange<Invitation>();
  const link = made?.link ?? (made?.secret !== undefined ? `${location.origin}/enrol#${made.secret}` : undefined);
  return (
    <Modal
      opened
      onClose={props.close}
      title={t(props.replace ? "invite.title_replace" : "invite.title", { name: props.account })}
      closeButtonProps={{ "aria-label": t("act.close") }}
    >
      {made === undefined ? (
        <form
          onSubmit={(e) => {
            e.preventDefault();
            invite.run({ path: `/v1/accounts/${part(props.account)}/invitations`, body: { kind, replace: props.replace }, after: setMade });
          }}
        >
          <Stack gap="md">
            <Text size="sm">{t(props.replace ? "invite.replace_lead" : "invite.lead")}</Text>
            <Radio.Group value={kind} onChange={(v) => setKind(v as "link" | "code")} label={t("invite.how")}>
              <Stack gap="xs" mt="xs">
                <Radio value="code" label={t("invite.code")} description={t("invite.code_help")} />
                <Radio value="link" label={t("invite.link")} description={t("invite.link_help")} />
              </Stack>
            </Radio.Group>
            {props.replace && (
              <Checkbox
                checked={checked}
                onChange={(e) => setChecked(e.currentTarget.checked)}
                label={t("invite.checked")}
                description={t("invite.checked_help")}
              />
            )}
            <Fault error={invite.error} />
            <Group justify="flex-end">
              <Button variant="default" type="button" onClick={props.close}>
                {t("act.cancel")}
              </Button>
              <Button type="submit" loading={invite.busy} disabled={props.replace && !checked}>
                {t("invite.make")}
              </Button>
            </Group>
          </Stack>
        </form>
      ) : (
        <Stack gap="md">
          {made.code !== undefined && (
            <div>
              <Text size="sm" fw={600}>
                {t("invite.your_code")}
              </Text>
              <Group gap="xs">
                <Code className={classes.code}>{made.code}</Code>
                <Copy value={made.code} label={t("act.copy")} />
              </Group>
              <Text size="sm" mt={4}>
                {t("invite.code_how", { url: `${location.host}/enrol`, name: props.account })}
              </Text>
            </div>
          )}
          {link !== undefined && (
            <>
              <div>
                <Text size="sm" fw={600}>
                  {t("invite.your_link")}
                </Text>
                <div className="sp-secret">
                  <code>{link}</code>
                  <Copy value={link} label={t("act.copy")} />
                </div>
              </div>
              <div className={classes.qr}>
                <Qr value={link} label={t("invite.qr")} />
                <Text size="sm" c="dimmed">
                  {t("invite.qr_help")}
                </Text>
              </div>
            </>
          )}
          <Alert color="yellow" role="status">
            {t("invite.once")} {t("invite.expires")} <Time at={made.expires} form="exact" />.
          </Alert>
          <Group justify="flex-end">
            <Button onClick={props.close}>{t("act.done")}</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
