import { VisuallyHidden } from "@mantine/core";
import { useTranslation } from "react-i18next";

interface StepsProps {
  label: string;
  steps: { key: string; title: string; done?: boolean }[];
  now: string;
  /** Makes steps that are done or skipped reachable. */
  onGo?: (key: string) => void;
}

/** How far a wizard has come. */
export function Steps({ label, steps, now, onGo }: StepsProps) {
  const { t } = useTranslation();
  const at = steps.findIndex((s) => s.key === now);
  return (
    <nav aria-label={label}>
      <p className="sp-steps-at">{t("ui.steps.at", { step: at + 1, of: steps.length, title: steps[at]?.title ?? "" })}</p>
      <ol className="sp-steps">
        {steps.map((s, i) => {
          const text = (
            <>
              <span>{s.title}</span>
              {s.done ? <VisuallyHidden>{t("ui.steps.done")}</VisuallyHidden> : null}
            </>
          );
          return (
            <li key={s.key} data-done={s.done || undefined} data-now={i === at || undefined} aria-current={i === at ? "step" : undefined}>
              {onGo && i !== at ? (
                <button type="button" className="sp-step" title={s.title} aria-label={s.title} onClick={() => onGo(s.key)}>
                  {text}
                </button>
              ) : (
                <span className="sp-step">{text}</span>
              )}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
