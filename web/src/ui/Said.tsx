import { Alert, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { PasskeyError } from "./passkey";

/**
 * What the server says to people, in their language. The server's sentences for
 * people are a closed list (auth's catalogue); those that are not in it stay as
 * they are.
 */
export function useSaid(): (text: string) => string {
  const { t } = useTranslation();
  return (text) => {
    const plain = withoutReference(text);
    return t(`says¦${plain}`, { defaultValue: plain, keySeparator: "¦", nsSeparator: "§" });
  };
}

/** Replies of RADIUS name the reference in the sentence; pages show it by itself. */
export function withoutReference(text: string): string {
  return text.replace(/\s*Reference [0-9A-Z]{4}-[0-9A-Z]{4}\.?$/, "");
}

export function Said({ text }: { text: string }) {
  const said = useSaid();
  return <Text size="sm">{said(text)}</Text>;
}

/** Why a passkey could not be made or used, and what to do. */
export function PasskeyNote({ error }: { error: PasskeyError }) {
  const { t } = useTranslation();
  return (
    <Alert color={error.trouble === "cancelled" ? "yellow" : "red"} role="alert" title={t(`ui.passkey.${error.trouble}.title`)}>
      {t(`ui.passkey.${error.trouble}.what`)}
    </Alert>
  );
}
