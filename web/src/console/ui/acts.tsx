// Administrative acts, with what each changed.
import { Group, Stack, Text } from "@mantine/core";
import type { Act } from "../api/types";
import { useText } from "../core";
import { diff } from "../lib/diff";
import classes from "./acts.module.css";
import { Time } from "./kit";

/**
 * What an act changed, as it was and as it is. Values stand as they were recorded
 * and in no language (zxx), for programs wrote them: "refuse", "oath".
 */
export function Difference(props: { before?: unknown; after?: unknown }) {
  const { t } = useText();
  const isNew = props.before === undefined || props.before === null || props.before === "";
  const isGone = props.after === undefined || props.after === null || props.after === "";
  // Of a record that was made or ended, what says nothing to a reader is left
  // out: its number, its time, which the act has too, and what it has not.
  const list = diff(props.before, props.after).filter(
    (d) => !(isNew || isGone) || (!/^(id|created)$/.test(d.path) && !/^(false|0)$/.test(d.after ?? d.before ?? "")),
  );
  if (list.length === 0) return null;
  return (
    <table className={classes.diff}>
      <caption className="sp-hidden">{t("acts.diff")}</caption>
      <thead className="sp-hidden">
        <tr>
          <th scope="col">{t("acts.field")}</th>
          <th scope="col">{t("acts.change")}</th>
        </tr>
      </thead>
      <tbody>
        {list.map((d, i) => (
          <tr key={`${d.path}${String(i)}`} data-kind={d.kind}>
            <th scope="row">{t(`field.${d.path.replaceAll(".", "_")}`, { defaultValue: d.path.replaceAll("_", " ") })}</th>
            <td>
              {d.before !== undefined && !isNew && (
                <del>
                  <span className="sp-hidden">{t("acts.was")} </span>
                  <span lang="zxx">{d.before}</span>
                </del>
              )}
              {d.after !== undefined && !isGone && (
                <ins>
                  <span className="sp-hidden">{t("acts.is")} </span>
                  <span lang="zxx">{d.after}</span>
                </ins>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Acts(props: { acts: Act[]; subject?: boolean }) {
  const { t } = useText();
  return (
    <ol className={classes.acts}>
      {props.acts.map((a) => (
        <li key={a.seq}>
          <div className={classes.when}>
            <Time at={a.time} form="clock" />
          </div>
          <Stack gap={4} className={classes.what}>
            <Group gap="xs">
              <Text fw={600}>{t(`action.${a.action.replace(".", "_")}`, { defaultValue: a.action })}</Text>
              {props.subject !== false && a.subject !== "" && <Subject act={a} />}
            </Group>
            <Text size="sm" c="dimmed">
              {t("acts.by", { actor: a.actor })}
            </Text>
            {a.detail !== undefined && a.detail !== "" && a.before === undefined && a.after === undefined && (
              <Text size="sm">{a.detail}</Text>
            )}
            <Difference before={a.before} after={a.after} />
          </Stack>
        </li>
      ))}
    </ol>
  );
}

function Subject({ act }: { act: Act }) {
  return <span className={classes.subject}>{act.subject}</span>;
}
