// What changes are asked for with: on the page itself, or in a dialog above it.
import { Button, Group, Modal, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { useText } from "../core";
import { Fault, MayButton, Section } from "./kit";

interface FormProps {
  /** The button that makes the change. */
  act: string;
  submit: () => void;
  busy: boolean;
  /** Whether all is filled in that has to be. */
  ready: boolean;
  error: Error | null;
  danger?: boolean;
  /** Leads away without a change. */
  cancel?: () => void;
  children: ReactNode;
}

function Form(props: FormProps & { dialog?: boolean; maw?: number }) {
  const { t } = useText();
  const act = (
    <Button key="act" type="submit" color={props.danger === true ? "red" : undefined} loading={props.busy} disabled={!props.ready}>
      {props.act}
    </Button>
  );
  const cancel = props.cancel !== undefined && (
    <Button key="cancel" variant="default" type="button" onClick={props.cancel}>
      {t("act.cancel")}
    </Button>
  );
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault();
        props.submit();
      }}
    >
      <Stack gap="md" maw={props.maw}>
        {props.children}
        <Fault error={props.error} />
        {props.dialog === true ? (
          <Group justify="flex-end">
            {cancel}
            {act}
          </Group>
        ) : (
          <Group>
            {act}
            {cancel}
          </Group>
        )}
      </Stack>
    </form>
  );
}

/** A form that is a part of its page. */
export function FormSection({ title, lead, wide, ...form }: FormProps & { title: string; lead?: string; wide?: boolean }) {
  return (
    <Section title={title} lead={lead}>
      <Form {...form} maw={wide === true ? 720 : 576} />
    </Section>
  );
}

/** A form above its page. */
export function FormDialog({ title, close, ...form }: Omit<FormProps, "cancel"> & { title: string; close: () => void }) {
  const { t } = useText();
  return (
    <Modal opened onClose={close} title={title} closeButtonProps={{ "aria-label": t("act.close") }}>
      <Form {...form} cancel={close} dialog />
    </Modal>
  );
}

/** The button of a row that removes what the row is about. */
export function RemoveButton(props: { permission: string; of: string; remove: () => void }) {
  const { t } = useText();
  return (
    <MayButton
      permission={props.permission}
      size="compact-xs"
      variant="subtle"
      color="red"
      onClick={props.remove}
      aria-label={`${t("act.remove")}: ${props.of}`}
    >
      {t("act.remove")}
    </MayButton>
  );
}
