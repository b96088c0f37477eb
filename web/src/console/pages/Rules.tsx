// The rules, in the order in which they are asked. The strictest stands last,
// and cannot be moved.
import { ActionIcon, Alert, Badge, Button, Group, Stack, Text, Tooltip } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconGripVertical, IconLock } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type DragEvent, useRef, useState } from "react";
import { toast } from "~/ui/toast";
import { call, part } from "../api/call";
import type { Page as Listed, RuleView } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { moved, moves, proposal } from "../lib/rules";
import { ruleSentence } from "../lib/sentence";
import { useConfirm } from "../ui/confirm";
import { DryRun } from "../ui/DryRun";
import { Answered, Empty, Fault, Go, MayButton, MayLink, Page, Section, sentence, Warnings } from "../ui/kit";
import classes from "./Rules.module.css";

export default function Rules() {
  const { t } = useText();
  const may = useMay();
  const q = useGet<Listed<RuleView>>("/v1/rules", undefined, { enabled: may("policy.read") });
  return (
    <Page
      title={t("nav.rules")}
      lead={t("rules.lead")}
      permission="policy.read"
      actions={
        <MayLink permission="policy.write" to="/console/rules/add">
          {t("rules.add")}
        </MayLink>
      }
    >
      <Answered q={q}>{(d) => <List rules={d.items} key={d.items.map((r) => r.name).join(" ")} />}</Answered>
    </Page>
  );
}

function List({ rules }: { rules: RuleView[] }) {
  const { t } = useText();
  const may = useMay();
  const cache = useQueryClient();
  const own = rules.filter((r) => r.built_in !== true);
  const last = rules.find((r) => r.built_in === true);
  const [order, setOrder] = useState(own.map((r) => r.name));
  const [dragged, setDragged] = useState<string | undefined>();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  const [said, setSaid] = useState("");
  const list = useRef<HTMLOListElement>(null);
  const remove = useChange();
  const confirm = useConfirm();
  const names = own.map((r) => r.name);
  const changed = order.some((name, i) => names[i] !== name);
  const shown = order.map((name) => own.find((r) => r.name === name)).filter((r) => r !== undefined);
  const write = may("policy.write");

  const move = (name: string, to: number, focus?: "up" | "down") => {
    const from = order.indexOf(name);
    const next = moved(order, from, to);
    setOrder(next);
    setSaid(t("rules.moved", { name, place: next.indexOf(name) + 1 }));
    if (focus !== undefined) {
      requestAnimationFrame(() => {
        const row = list.current?.querySelector(`[data-rule="${CSS.escape(name)}"]`);
        const button =
          row?.querySelector<HTMLButtonElement>(`[data-move="${focus}"]:not([disabled])`) ??
          row?.querySelector<HTMLButtonElement>("[data-move]:not([disabled])");
        button?.focus();
      });
    }
  };
  const save = async () => {
    setBusy(true);
    setError(undefined);
    try {
      for (const m of moves(names, order)) await call("POST", `/v1/rules/${part(m.name)}/move`, { body: { place: m.place } });
      toast.ok(t("rules.did_move"));
    } catch (e) {
      setError(e as Error);
    } finally {
      setBusy(false);
      await cache.invalidateQueries({ queryKey: ["console"] });
    }
  };
  const drop = async (r: RuleView) => {
    const yes = await confirm({
      title: t("rules.remove_title", { name: r.name }),
      consequences: [t("rules.remove_1"), t("rules.remove_2")],
      act: t("act.remove"),
      danger: true,
    });
    if (yes) remove.run({ method: "DELETE", path: `/v1/rules/${part(r.name)}`, done: t("rules.did_remove", { name: r.name }) });
  };
  const over = (e: DragEvent, name: string) => {
    if (dragged === undefined) return;
    e.preventDefault();
    if (dragged !== name) setOrder(moved(order, order.indexOf(dragged), order.indexOf(name)));
  };

  return (
    <Stack gap="md">
      {changed && (
        <Alert color="blue" title={t("rules.changed")} className={classes.bar}>
          <Stack gap="sm">
            <Text size="sm">{t("rules.changed_help")}</Text>
            <DryRun rules={proposal(shown)} />
            <Group gap="xs">
              <Button loading={busy} onClick={() => void save()}>
                {t("rules.save_order")}
              </Button>
              <Button variant="default" onClick={() => setOrder(names)}>
                {t("rules.discard")}
              </Button>
            </Group>
          </Stack>
        </Alert>
      )}
      <Fault error={error ?? remove.error} />
      <div className="sp-hidden" role="status">
        {said}
      </div>
      <ol className={classes.rules} ref={list}>
        {own.length === 0 && (
          <li className={classes.none}>
            <Empty title={t("rules.none")}>{t("rules.none_help")}</Empty>
          </li>
        )}
        {shown.map((r, i) => (
          <li
            key={r.name}
            id={r.name}
            data-rule={r.name}
            className={classes.rule}
            data-dragged={dragged === r.name ? "" : undefined}
            draggable={write}
            onDragStart={(e) => {
              setDragged(r.name);
              e.dataTransfer.effectAllowed = "move";
              e.dataTransfer.setData("text/plain", r.name);
            }}
            onDragOver={(e) => over(e, r.name)}
            onDrop={(e) => e.preventDefault()}
            onDragEnd={() => {
              if (dragged !== undefined) setSaid(t("rules.moved", { name: dragged, place: order.indexOf(dragged) + 1 }));
              setDragged(undefined);
            }}
          >
            <div className={classes.place}>
              {write && <IconGripVertical size={18} aria-hidden className={classes.grip} />}
              <span className={classes.number}>{i + 1}</span>
            </div>
            <One r={r} />
            <div className={classes.acts}>
              {write && (
                <Group gap={2} wrap="nowrap">
                  <Tooltip label={t("rules.up", { name: r.name })}>
                    <ActionIcon
                      variant="subtle"
                      color="gray"
                      data-move="up"
                      disabled={i === 0}
                      aria-label={t("rules.up", { name: r.name })}
                      onClick={() => move(r.name, i - 1, "up")}
                    >
                      <IconArrowUp size={17} />
                    </ActionIcon>
                  </Tooltip>
                  <Tooltip label={t("rules.down", { name: r.name })}>
                    <ActionIcon
                      variant="subtle"
                      color="gray"
                      data-move="down"
                      disabled={i === shown.length - 1}
                      aria-label={t("rules.down", { name: r.name })}
                      onClick={() => move(r.name, i + 1, "down")}
                    >
                      <IconArrowDown size={17} />
                    </ActionIcon>
                  </Tooltip>
                </Group>
              )}
              <Group gap={4} wrap="nowrap">
                <MayLink permission="policy.write" to={`/console/rules/${part(r.name)}`} size="compact-sm" variant="default">
                  {t("act.edit")}
                </MayLink>
                <MayButton
                  permission="policy.write"
                  size="compact-sm"
                  variant="subtle"
                  color="red"
                  onClick={() => void drop(r)}
                  aria-label={`${t("act.remove")}: ${r.name}`}
                >
                  {t("act.remove")}
                </MayButton>
              </Group>
            </div>
          </li>
        ))}
        {last !== undefined && (
          <li className={classes.rule} data-last>
            <div className={classes.place}>
              <IconLock size={18} aria-hidden />
              <span className={classes.number}>{shown.length + 1}</span>
            </div>
            <One r={last} />
            <Text size="sm" c="dimmed" className={classes.acts}>
              {t("rules.fixed")}
            </Text>
          </li>
        )}
      </ol>
      <Section>
        <Group gap="md">
          <Go to="/console/explain">{t("rules.try")}</Go>
          <Go to="/console/exemptions">{t("exemptions.title")}</Go>
        </Group>
      </Section>
    </Stack>
  );
}

function One({ r }: { r: RuleView }) {
  const { t, language } = useText();
  const s = ruleSentence(r, t, language);
  return (
    <div className={classes.what}>
      <Group gap="xs">
        <Text fw={620}>{r.name}</Text>
        {r.weakens.length > 0 && <Badge color="yellow">{t("rules.weakens")}</Badge>}
        {r.need === "refuse" && <Badge color="gray">{t("rules.refuses")}</Badge>}
      </Group>
      <Text>
        <b>{t("rule.when_word")}</b> {s.when}
      </Text>
      <Text>
        <b>{t("rule.then_word")}</b> {s.does.join("; ")}.
      </Text>
      {r.weakens.map((w) => (
        <Text key={w} size="sm" c="dimmed">
          {sentence(w)}
        </Text>
      ))}
      <Warnings list={r.warnings} />
    </div>
  );
}
