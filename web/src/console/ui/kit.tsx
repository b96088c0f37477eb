// The small parts that the pages of the console are made of, on top of those
// that all of Sallyport's pages share.
import { Alert, Anchor, Badge, Button, type ButtonProps, Group, List, Stack, Text, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconArrowLeft, IconCircleCheck, IconInfoCircle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import {
  CopyButton,
  EmptyState,
  Loading,
  ProblemNote,
  Facts as SharedFacts,
  Section as SharedSection,
  Status,
  sentence,
  type Tone,
} from "~/ui/basics";
import { Page as SharedPage } from "~/ui/Shell";
import { SecretOnce as SharedSecret } from "~/ui/secrets";
import { Time as SharedTime } from "~/ui/Time";
import { part } from "../api/call";
import { useMay, useSession, useText } from "../core";
import { A } from "../go";
import { isTime } from "../lib/time";
import classes from "./kit.module.css";

export { Status, sentence };

/** The frame of a page: its name, what it is for, and what can be done. */
export function Page(props: {
  title: string;
  lead?: ReactNode;
  back?: { to: string; label: string };
  actions?: ReactNode;
  /** The permission without which there is nothing to see here. */
  permission?: string;
  children: ReactNode;
}) {
  const may = useMay();
  const allowed = props.permission === undefined || may(props.permission);
  return (
    <SharedPage
      title={props.title}
      lead={props.lead}
      before={
        props.back && (
          <Anchor component={A} to={props.back.to} size="sm" className={classes.back}>
            <IconArrowLeft size={14} aria-hidden /> {props.back.label}
          </Anchor>
        )
      }
      actions={allowed && props.actions !== undefined ? <Group gap="xs">{props.actions}</Group> : undefined}
    >
      {allowed ? <Stack gap="md">{props.children}</Stack> : <NotAllowed permission={props.permission ?? ""} />}
    </SharedPage>
  );
}

function NotAllowed(props: { permission: string }) {
  const { t } = useText();
  const reason = useReason(props.permission);
  return (
    <Alert color="blue" icon={<IconInfoCircle aria-hidden />} title={t("may.title")}>
      {reason}
    </Alert>
  );
}

/** A part of a page under a heading of its own. */
export function Section(props: {
  title?: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  flush?: boolean;
  id?: string;
}) {
  return (
    <div className={classes.section}>
      <SharedSection {...props} actions={props.actions !== undefined ? <Group gap="xs">{props.actions}</Group> : undefined} />
    </div>
  );
}

/** What went wrong, in the words of whoever refused, with what to do. */
export function Fault(props: { error: Error | null | undefined; retry?: () => void }) {
  return <ProblemNote error={props.error ?? undefined} onRetry={props.retry} />;
}

interface Asked<T> {
  data: T | undefined;
  error: Error | null;
  refetch: () => unknown;
}

/** Shows what was asked for once it is there. */
export function Answered<T>(props: { q: Asked<T>; children: (data: T) => ReactNode }) {
  const { q } = props;
  if (q.data !== undefined) return <>{props.children(q.data)}</>;
  if (q.error !== null) return <Fault error={q.error} retry={() => void q.refetch()} />;
  return <Loading />;
}

export const Waiting = Loading;

/** What is said where nothing is yet: what would be here, and how it comes. */
export function Empty(props: { title: string; children?: ReactNode; action?: ReactNode; good?: boolean }) {
  return (
    <EmptyState icon={props.good === true ? IconCircleCheck : IconInfoCircle} title={props.title} action={props.action}>
      {props.children}
    </EmptyState>
  );
}

/** A moment in the reader's zone. */
export function Time(props: { at: string | undefined | null; form?: "relative" | "exact" | "clock"; none?: string }) {
  if (!isTime(props.at)) return <>{props.none ?? "–"}</>;
  return (
    <SharedTime value={props.at} as={props.form === "exact" ? "full" : props.form === "clock" ? "short" : "relative"} none={props.none} />
  );
}

/** The reference of a login, leading to its trace. */
export function Reference(props: { value: string }) {
  if (props.value === "") return <>–</>;
  return (
    <Anchor component={A} to={`/console/sign-ins/${part(props.value)}`} className={classes.mono} inherit>
      {props.value}
    </Anchor>
  );
}

/** A name that leads to its account; names that nobody has lead nowhere. */
export function AccountLink(props: { name: string }) {
  if (props.name === "" || props.name.startsWith("?")) return <span className={classes.mono}>{props.name === "" ? "–" : props.name}</span>;
  return <Go to={`/console/accounts/${part(props.name)}`}>{props.name}</Go>;
}

export function Go(props: { to: string; children: ReactNode }) {
  return (
    <Anchor component={A} to={props.to} inherit>
      {props.children}
    </Anchor>
  );
}

const tones: Record<string, Tone> = { accept: "ok", reject: "bad", challenge: "info", unavailable: "warn", ignore: "warn" };

/** How a login ended: a sign and a word, never a colour alone. */
export function Verdict(props: { verdict: string; label?: string }) {
  const { t } = useText();
  const { label } = props;
  const word = t(`verdict.${props.verdict}`, { defaultValue: props.verdict });
  return (
    <span className={classes.verdict}>
      <Status tone={tones[props.verdict] ?? "muted"}>
        <span>{label ?? word}</span>
        {label !== undefined && <span className="sp-hidden"> ({word})</span>}
      </Status>
    </span>
  );
}

/** A state in a word, with a colour beside it. */
export function State(props: { color: string; children: ReactNode }) {
  return (
    <Badge color={props.color} radius="sm" className={classes.state}>
      {props.children}
    </Badge>
  );
}

/** Why the signed-in role cannot do something. */
export function useReason(permission: string): string {
  const { t } = useText();
  const session = useSession();
  return t("may.reason", {
    role: t(`role.name.${session.role ?? ""}`, { defaultValue: session.role ?? "" }),
    permission: t(`permission.${permission.replace(".", "_")}`, { defaultValue: permission }),
  });
}

/** A button that needs a permission. Without it, it says why it is off. */
export function MayButton(
  props: ButtonProps & { permission: string; onClick?: () => void; type?: "button" | "submit"; children: ReactNode; "aria-label"?: string },
) {
  const { permission, ...rest } = props;
  const may = useMay();
  const reason = useReason(permission);
  if (may(permission)) return <Button type="button" {...rest} />;
  return (
    <Tooltip label={reason} multiline maw={320}>
      <Button {...rest} onClick={undefined} data-disabled aria-disabled aria-description={reason} type="button" />
    </Tooltip>
  );
}

/** A link that looks like a button and needs a permission. */
export function MayLink(props: ButtonProps & { permission: string; to: string; children: ReactNode }) {
  const { permission, to, ...rest } = props;
  const may = useMay();
  return may(permission) ? <Button component={A} to={to} {...rest} /> : <MayButton permission={permission} {...rest} />;
}

/** Something to copy, such as a reference; a link has a sign of its own. */
export function Copy(props: { value: string; label: string; link?: boolean }) {
  return <CopyButton value={props.value} label={props.label} link={props.link} />;
}

/** A secret that is shown this once. */
export function SecretOnce(props: { label: string; value: string; note?: ReactNode }) {
  return <SharedSecret {...props} />;
}

export function Warnings(props: { list: string[] | null | undefined; title?: string; color?: string }) {
  if (!props.list || props.list.length === 0) return null;
  return (
    <Alert color={props.color ?? "yellow"} icon={<IconAlertTriangle aria-hidden />} title={props.title}>
      {props.list.length === 1 ? (
        <Text size="sm">{sentence(props.list[0] ?? "")}</Text>
      ) : (
        <List size="sm">
          {props.list.map((w) => (
            <List.Item key={w}>{sentence(w)}</List.Item>
          ))}
        </List>
      )}
    </Alert>
  );
}

/** Names and values. */
export function Facts(props: { facts: [label: string, value: ReactNode][] }) {
  return <SharedFacts items={props.facts} />;
}

export function Mono(props: { children: ReactNode }) {
  return <span className={classes.mono}>{props.children}</span>;
}
