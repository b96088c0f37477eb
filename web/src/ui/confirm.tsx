import { Button, Group, List, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type ReactNode, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

export interface Confirmation {
  /** A question with the thing's name: "Remove alice?" */
  title: string;
  /** What will happen, one line each; say also what will not. */
  happens: ReactNode[];
  /** The verb on the button: "Remove alice". */
  action: string;
  /** Something ends or is lost. */
  danger?: boolean;
  /** Only for what cannot be undone: what must be typed, usually the thing's name. */
  typed?: string;
}

let current: (Confirmation & { answer: (yes: boolean) => void }) | undefined;
const watchers = new Set<() => void>();
function tell() {
  for (const w of watchers) w();
}

/** Says what will happen and asks; resolves to the answer. */
export function confirm(c: Confirmation): Promise<boolean> {
  current?.answer(false);
  return new Promise((resolve) => {
    current = {
      ...c,
      answer: (yes) => {
        current = undefined;
        tell();
        resolve(yes);
      },
    };
    tell();
  });
}

/** Shows what confirm() asks; it stands once in the page. */
export function ConfirmHost() {
  const c = useSyncExternalStore(
    (f) => {
      watchers.add(f);
      return () => watchers.delete(f);
    },
    () => current,
  );
  return c ? <Question key={c.title} c={c} /> : null;
}

function Question({ c }: { c: NonNullable<typeof current> }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const ready = !c.typed || typed.trim() === c.typed;
  return (
    <Modal
      opened
      onClose={() => c.answer(false)}
      title={<Text fw={650}>{c.title}</Text>}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (ready) c.answer(true);
        }}
      >
        <Stack gap="md">
          {c.happens.length === 1 ? (
            <Text>{c.happens[0]}</Text>
          ) : (
            <List spacing={6}>
              {c.happens.map((h, i) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: the lines never move
                <List.Item key={i}>{h}</List.Item>
              ))}
            </List>
          )}
          {c.typed ? (
            <TextInput
              label={t("ui.confirm.type", { what: c.typed })}
              value={typed}
              autoComplete="off"
              spellCheck={false}
              data-autofocus
              onChange={(e) => setTyped(e.currentTarget.value)}
            />
          ) : null}
          <Group justify="flex-end" gap="sm">
            <Button type="button" variant="default" data-autofocus={!c.typed || undefined} onClick={() => c.answer(false)}>
              {t("ui.cancel")}
            </Button>
            <Button type="submit" color={c.danger ? "red" : undefined} disabled={!ready}>
              {c.action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
