import { Alert, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { PasskeyError } from "./passkey";

/** What the server says to people, as pages show it: replies of RADIUS name the reference in the sentence, and pages show it by itself. */
export function said(text: string): string {
  return text.replace(/\s*Refere(?:nce|nz) [0-9A-Z]{4}-[0-9A-Z]{4}\.?$/, "");
}

export function Said({ text }: { text: string }) {
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
