import { Stack, Text } from "@mantine/core";
import { part } from "../api/call";
import type { SessionRow } from "../api/types";
import { useChange, useText } from "../core";
import { useConfirm } from "./confirm";
import { AccountLink, Empty, Fault, MayButton, Mono, State, Time } from "./kit";
import { Rows } from "./Rows";

/** "Firefox on Windows" of what a browser calls itself; the whole of it if that cannot be told. */
export function browser(agent: string): string {
  const found = (names: [string, RegExp][]) => names.find(([, r]) => r.test(agent))?.[0];
  const name = found([
    ["Edge", /\bEdg(e|A|iOS)?\//],
    ["Firefox", /\b(Firefox|FxiOS)\//],
    ["Chrome", /\b((Headless)?Chrome|CriOS|Chromium)\//],
    ["Safari", /\bSafari\//],
  ]);
  const system = found([
    ["Android", /Android/],
    ["iPhone", /iPhone/],
    ["iPad", /iPad/],
    ["Windows", /Windows/],
    ["macOS", /Mac OS X/],
    ["Linux", /Linux/],
  ]);
  if (name === undefined) return agent === "" ? "–" : agent;
  return system === undefined ? name : `${name} · ${system}`;
}

export function SessionRows(props: { rows: SessionRow[]; account?: boolean; more?: { has: boolean; busy: boolean; load: () => void } }) {
  const { t } = useText();
  const change = useChange();
  const confirm = useConfirm();
  const end = async (s: SessionRow) => {
    const yes = await confirm({
      title: t("sessions.end_title", { name: s.account }),
      consequences: [t("sessions.end_1"), t("sessions.end_2"), ...(s.current === true ? [t("sessions.end_own")] : [])],
      act: t("sessions.end"),
      danger: true,
    });
    if (yes) change.run({ method: "DELETE", path: `/v1/sessions/${part(s.id)}`, done: t("sessions.did_end") });
  };
  return (
    <Stack gap="sm">
      <Fault error={change.error} />
      <Rows
        label={t("sessions.title")}
        rows={props.rows}
        id={(s) => s.id}
        more={props.more}
        empty={<Empty title={t("sessions.none")}>{t("sessions.none_help")}</Empty>}
        columns={[
          ...(props.account === false
            ? []
            : [{ key: "account", label: t("event.account"), render: (s: SessionRow) => <AccountLink name={s.account} /> }]),
          {
            key: "client",
            label: t("sessions.where"),
            render: (s) => (
              <>
                {t(`door.${s.client}`, { defaultValue: s.client })}{" "}
                {s.current === true && <State color="green">{t("sessions.this")}</State>}
              </>
            ),
          },
          { key: "browser", label: t("sessions.browser"), width: "9rem", render: (s) => <span title={s.agent}>{browser(s.agent)}</span> },
          { key: "source", label: t("event.source"), width: "9.75rem", render: (s) => <Mono>{s.source}</Mono> },
          {
            key: "factor",
            label: t("sessions.proven"),
            render: (s) => (
              <>
                {t(`factor.${s.factor}`, { defaultValue: s.factor })}
                {s.proven !== undefined && s.proven !== "" && (
                  <Text size="sm" c="dimmed">
                    <Time at={s.proven} />
                  </Text>
                )}
              </>
            ),
          },
          { key: "seen", label: t("sessions.seen"), render: (s) => <Time at={s.seen} /> },
          { key: "expires", label: t("sessions.expires"), render: (s) => <Time at={s.expires} form="clock" /> },
          {
            key: "do",
            label: "",
            render: (s) => (
              <MayButton
                permission="session.write"
                size="compact-xs"
                variant="subtle"
                color="red"
                onClick={() => void end(s)}
                aria-label={`${t("sessions.end")}: ${s.account}`}
              >
                {t("sessions.end")}
              </MayButton>
            ),
          },
        ]}
      />
    </Stack>
  );
}
