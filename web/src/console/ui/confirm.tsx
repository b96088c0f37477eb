import { Alert, Button, Checkbox, Group, List, Modal, Stack, Text, TextInput } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";
import { useText } from "../core";

/** What is asked before an act that takes something away. */
export interface Question {
  title: string;
  /** What will happen, a sentence each. */
  consequences: string[];
  /** What the button says: the act, not "yes". */
  act: string;
  danger?: boolean;
  /** Asks for a reason; it is kept in the record. */
  reason?: "required" | "optional";
  /** Must be ticked first. */
  sure?: string;
}

export type Confirmed = { reason: string } | undefined;
type Ask = (q: Question) => Promise<Confirmed>;

const Context = createContext<Ask | undefined>(undefined);

export function useConfirm(): Ask {
  const ask = useContext(Context);
  if (ask === undefined) throw new Error("console: nothing to confirm with");
  return ask;
}

export function ConfirmProvider(props: { children: ReactNode }) {
  const { t } = useText();
  const [question, setQuestion] = useState<Question | undefined>();
  const [opened, setOpened] = useState(false);
  const [reason, setReason] = useState("");
  const [sure, setSure] = useState(false);
  const answer = useRef<((c: Confirmed) => void) | undefined>(undefined);

  const ask = useCallback<Ask>(
    (q) =>
      new Promise((resolve) => {
        answer.current?.(undefined);
        answer.current = resolve;
        setReason("");
        setSure(false);
        setQuestion(q);
        setOpened(true);
      }),
    [],
  );
  const close = (c: Confirmed) => {
    answer.current?.(c);
    answer.current = undefined;
    setOpened(false);
  };
  const ready = (question?.reason !== "required" || reason.trim() !== "") && (question?.sure === undefined || sure);
  const value = useMemo(() => ask, [ask]);

  return (
    <Context.Provider value={value}>
      {props.children}
      <Modal
        opened={opened}
        onClose={() => close(undefined)}
        title={question?.title}
        closeButtonProps={{ "aria-label": t("act.close") }}
        centered
      >
        {question && (
          <form
            onSubmit={(e) => {
              e.preventDefault();
              if (ready) close({ reason: reason.trim() });
            }}
          >
            <Stack gap="md">
              <Alert color={question.danger === true ? "red" : "blue"} icon={<IconAlertTriangle />} title={t("confirm.happens")}>
                {question.consequences.length === 1 ? (
                  <Text size="sm">{question.consequences[0]}</Text>
                ) : (
                  <List size="sm">
                    {question.consequences.map((c) => (
                      <List.Item key={c}>{c}</List.Item>
                    ))}
                  </List>
                )}
              </Alert>
              {question.reason !== undefined && (
                <TextInput
                  label={t("confirm.reason")}
                  description={t("confirm.reason_help")}
                  required={question.reason === "required"}
                  value={reason}
                  onChange={(e) => setReason(e.currentTarget.value)}
                  data-autofocus
                />
              )}
              {question.sure !== undefined && (
                <Checkbox label={question.sure} checked={sure} onChange={(e) => setSure(e.currentTarget.checked)} />
              )}
              <Group justify="flex-end">
                <Button variant="default" type="button" onClick={() => close(undefined)}>
                  {t("act.cancel")}
                </Button>
                <Button color={question.danger === true ? "red" : undefined} type="submit" disabled={!ready}>
                  {question.act}
                </Button>
              </Group>
            </Stack>
          </form>
        )}
      </Modal>
    </Context.Provider>
  );
}
