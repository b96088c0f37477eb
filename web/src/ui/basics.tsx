// The small things that pages are made of.
import { ActionIcon, Alert, Button, Code, Loader, Text, Title, Tooltip, VisuallyHidden } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import {
  IconAlertTriangle,
  IconCheck,
  IconCircleCheck,
  IconCircleMinus,
  IconCircleX,
  IconCopy,
  IconHourglass,
  IconInfoCircle,
  IconLink,
  IconPlugConnectedX,
} from "@tabler/icons-react";
import type { ComponentType, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ProblemError, toProblem } from "~/api/problem";

export type Tone = "ok" | "warn" | "bad" | "info" | "muted";

const toneIcons: Record<Tone, ComponentType<{ size?: number; "aria-hidden"?: boolean }>> = {
  ok: IconCircleCheck,
  warn: IconAlertTriangle,
  bad: IconCircleX,
  info: IconInfoCircle,
  muted: IconCircleMinus,
};

/** A state in words, with an icon and a colour; never the colour alone. */
export function Status({ tone, children }: { tone: Tone; children: ReactNode }) {
  const Icon = toneIcons[tone];
  return (
    <span className="sp-tone" data-tone={tone}>
      <Icon size={17} aria-hidden />
      {children}
    </span>
  );
}

const verdictTones: Record<string, Tone> = { accept: "ok", reject: "bad", challenge: "info", unavailable: "warn", ignore: "muted" };

/** How a login ended. */
export function Verdict({ verdict }: { verdict: string }) {
  const { t } = useTranslation();
  const tone = verdictTones[verdict] ?? "muted";
  if (verdict === "challenge" || verdict === "unavailable") {
    const Icon = verdict === "challenge" ? IconHourglass : IconPlugConnectedX;
    return (
      <span className="sp-tone" data-tone={tone}>
        <Icon size={17} aria-hidden />
        {t(`ui.verdict.${verdict}`)}
      </span>
    );
  }
  return <Status tone={tone}>{t(`ui.verdict.${verdict}`, { defaultValue: verdict })}</Status>;
}

/** What kind of authenticator something is, in words. */
export function useFactorName(): (factor: string | undefined) => string {
  const { t } = useTranslation();
  return (factor) => (factor ? t(`ui.factor.${factor}`, { defaultValue: factor }) : "–");
}

/** Copies a value; says so to eyes and ears. */
export function CopyButton({ value, label, wide, link }: { value: string; label?: string; wide?: boolean; link?: boolean }) {
  const { t } = useTranslation();
  const clipboard = useClipboard({ timeout: 2500 });
  const text = clipboard.copied ? t("ui.copy.done") : (label ?? t("ui.copy.do"));
  const Icon = clipboard.copied ? IconCheck : link ? IconLink : IconCopy;
  const icon = <Icon size={16} aria-hidden />;
  return (
    <>
      {wide ? (
        <Button type="button" variant="default" leftSection={icon} onClick={() => clipboard.copy(value)}>
          {text}
        </Button>
      ) : (
        <Tooltip label={text}>
          <ActionIcon
            type="button"
            variant="subtle"
            color="gray"
            size="md"
            aria-label={label ?? t("ui.copy.do")}
            onClick={(e) => {
              e.stopPropagation();
              clipboard.copy(value);
            }}
          >
            {icon}
          </ActionIcon>
        </Tooltip>
      )}
      <VisuallyHidden role="status">{clipboard.copied ? t("ui.copy.done") : ""}</VisuallyHidden>
      {clipboard.error ? (
        <Text size="xs" c="dimmed">
          {t("ui.copy.failed")}
        </Text>
      ) : null}
    </>
  );
}

/** A reference such as 7F3K-92QD. Big: with what to do with it, for people who were refused. */
export function Reference({ value, big }: { value: string; big?: boolean }) {
  const { t } = useTranslation();
  if (!big) {
    return (
      <span className="sp-reference">
        {value}
        <CopyButton value={value} label={t("ui.reference.copy")} />
      </span>
    );
  }
  return (
    <div>
      <div className="sp-reference-big">
        <div>
          <Text size="sm" c="dimmed">
            {t("ui.reference.name")}
          </Text>
          <code>{value}</code>
        </div>
        <CopyButton wide value={value} label={t("ui.reference.copy")} />
      </div>
      <Text size="sm" c="dimmed" mt={6}>
        {t("ui.reference.read")}
      </Text>
    </div>
  );
}

/** Names and values. Entries without a value are left out. */
export function Facts({ items }: { items: [label: string, value: ReactNode][] }) {
  return (
    <dl className="sp-facts">
      {items
        .filter(([, v]) => v !== undefined && v !== null && v !== "")
        .map(([label, value]) => (
          <div key={label} style={{ display: "contents" }}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

interface EmptyStateProps {
  icon: ComponentType<{ size?: number; "aria-hidden"?: boolean }>;
  title: string;
  /** What belongs here and how it comes here. */
  children?: ReactNode;
  action?: ReactNode;
}

/** Nothing is here yet: says what would be, and how it gets here. */
export function EmptyState({ icon: Icon, title, children, action }: EmptyStateProps) {
  return (
    <div className="sp-empty">
      <span className="sp-empty-icon">
        <Icon size={26} aria-hidden />
      </span>
      <Text fw={620}>{title}</Text>
      {children ? <div className="sp-empty-text">{children}</div> : null}
      {action}
    </div>
  );
}

/** What went wrong and what to do next; of problems that the page itself handles, nothing. */
export function ProblemNote({ error, onRetry, title }: { error: unknown; onRetry?: () => void; title?: string }) {
  const { t, i18n } = useTranslation();
  if (!error) return null;
  if (error instanceof ProblemError && error.is("step-up")) {
    return (
      <Alert color="yellow" icon={<IconInfoCircle aria-hidden />} role="alert" title={t("ui.problem.stepUp")}>
        {t("ui.problem.stepUpHint")}
      </Alert>
    );
  }
  const p = toProblem(error);
  const kind = p.type.replace("/problems/", "");
  const said = (text: string) => t(`says¦${text}`, { defaultValue: text, keySeparator: "¦", nsSeparator: "§" });
  const foreign = (text: string, shown: string) => (text === shown && i18n.language !== "en" ? "en" : undefined);
  const detail = p.detail ? said(p.detail) : undefined;
  const hint = p.hint ? said(p.hint) : undefined;
  const heading = title ?? t(`ui.problem.kind.${kind}`, { defaultValue: t("ui.problem.title") });
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} role="alert" title={heading}>
      {kind === "unreachable" ? <Text size="sm">{t("ui.problem.unreachable")}</Text> : null}
      {detail ? (
        <Text size="sm" lang={foreign(p.detail ?? "", detail)}>
          {sentence(detail)}
        </Text>
      ) : null}
      {hint ? (
        <Text size="sm" mt={4} lang={foreign(p.hint ?? "", hint)}>
          {sentence(hint)}
        </Text>
      ) : null}
      {p.errors?.map((e) => (
        <Text size="sm" key={`${e.location}${e.message}`} lang={i18n.language === "en" ? undefined : "en"}>
          {e.location ? <Code>{e.location}</Code> : null} {e.message}
        </Text>
      ))}
      {onRetry ? (
        <Button type="button" variant="default" size="xs" mt="sm" onClick={onRetry}>
          {t("ui.retry")}
        </Button>
      ) : null}
    </Alert>
  );
}

/** The server's details are written to stand within a sentence; alone they are one. */
export function sentence(s: string): string {
  const text = s.charAt(0).toUpperCase() + s.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** A part of a page, with its heading. flush: the content reaches the edges, for tables. */
export function Section(props: {
  title?: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  flush?: boolean;
  children: ReactNode;
  id?: string;
}) {
  return (
    <section className="sp-section" data-flush={props.flush || undefined} id={props.id}>
      {props.title || props.actions ? (
        <div className="sp-section-head">
          <div>
            {props.title ? <Title order={2}>{props.title}</Title> : null}
            {props.lead ? <p className="sp-section-lead">{props.lead}</p> : null}
          </div>
          {props.actions}
        </div>
      ) : null}
      {props.children}
    </section>
  );
}

/** Something is being fetched. */
export function Loading({ label }: { label?: string }) {
  const { t } = useTranslation();
  return (
    <div className="sp-empty" role="status">
      <Loader size="sm" />
      <Text size="sm" c="dimmed">
        {label ?? t("ui.loading")}
      </Text>
    </div>
  );
}
