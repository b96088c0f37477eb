// Things that are shown once and never again.
import { Alert, Button, Checkbox, Group, Stack, Text } from "@mantine/core";
import { IconDownload, IconPrinter } from "@tabler/icons-react";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "./basics";

// Few pages show one, and what makes it is large.
const QrPicture = lazy(() => import("./QrPicture"));

/** A QR code; label says what it holds. It is dark on white in both themes, as scanners want it. */
export function Qr({ value, label }: { value: string; label: string }) {
  return (
    <Suspense fallback={<div className="sp-qr" style={{ aspectRatio: 1 }} />}>
      <QrPicture value={value} label={label} />
    </Suspense>
  );
}

/** A secret that cannot be read again. */
export function SecretOnce({ label, value, note }: { label: string; value: string; note?: ReactNode }) {
  const { t } = useTranslation();
  return (
    <Stack gap={6}>
      <Text size="sm" fw={600}>
        {label}
      </Text>
      <div className="sp-secret">
        <code>{value}</code>
        <CopyButton value={value} label={t("ui.copy.what", { what: label })} />
      </div>
      <Text size="sm" c="dimmed">
        {note ?? t("ui.secret.once")}
      </Text>
    </Stack>
  );
}

/** A sheet of recovery codes. onDone is called once its owner says that it is kept. */
export function RecoveryCodes({
  codes,
  account,
  onDone,
  doneLabel,
}: {
  codes: string[];
  account: string;
  onDone?: () => void;
  doneLabel?: string;
}) {
  const { t } = useTranslation();
  const [kept, setKept] = useState(false);
  const text = `${t("ui.codes.file", { account })}\n\n${codes.join("\n")}\n`;
  return (
    <Stack gap="md">
      <Alert color="yellow" title={t("ui.codes.title")}>
        {t("ui.codes.what", { count: codes.length })}
      </Alert>
      <ol className="sp-codes" aria-label={t("ui.codes.label")}>
        {codes.map((c) => (
          <li key={c}>{c}</li>
        ))}
      </ol>
      <Group gap="xs" className="sp-no-print">
        <CopyButton wide value={codes.join("\n")} label={t("ui.codes.copy")} />
        <Button
          type="button"
          variant="default"
          leftSection={<IconDownload size={16} aria-hidden />}
          onClick={() => save(text, "sallyport-recovery-codes.txt")}
        >
          {t("ui.codes.save")}
        </Button>
        <Button type="button" variant="default" leftSection={<IconPrinter size={16} aria-hidden />} onClick={() => window.print()}>
          {t("ui.codes.print")}
        </Button>
      </Group>
      {onDone ? (
        <div className="sp-no-print">
          <Checkbox checked={kept} onChange={(e) => setKept(e.currentTarget.checked)} label={t("ui.codes.kept")} />
          <Button type="button" mt="md" disabled={!kept} onClick={onDone}>
            {doneLabel ?? t("ui.next")}
          </Button>
        </div>
      ) : null}
    </Stack>
  );
}

/** Hands the reader a text file. */
export function save(text: string, name: string, type = "text/plain"): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
