import { IconCheck, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Step } from "~/api/views";
import { duration } from "./time";

/** The trace of a login: one line a stage, in the order in which it went. */
export function Timeline({ steps }: { steps: Step[] }) {
  const { t, i18n } = useTranslation();
  return (
    <ol className="sp-trace" aria-label={t("ui.trace.label")}>
      {steps.map((s, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a stage may come twice, and lines never move
        <li key={`${i}${s.stage}`} data-failed={!s.ok || undefined}>
          <span className="sp-trace-dot">
            {s.ok ? <IconCheck size={16} stroke={2.5} aria-hidden /> : <IconX size={16} stroke={2.5} aria-hidden />}
          </span>
          <span className="sp-trace-stage">
            {t(`ui.stage.${s.stage}`, { defaultValue: s.stage })}
            <span className="sp-hidden">{s.ok ? t("ui.trace.ok") : t("ui.trace.failed")}</span>
          </span>
          <span className="sp-trace-note">{s.note || (s.ok ? t("ui.trace.ok") : t("ui.trace.failed"))}</span>
          <span className="sp-trace-took">{duration(s.took_ns / 1000, i18n.language)}</span>
        </li>
      ))}
    </ol>
  );
}
