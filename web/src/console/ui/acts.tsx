// Administrative acts, with what each changed.
import { Group, Stack, Text } from "@mantine/core";
import type { Act } from "../api/types";
import { useText } from "../core";
import { diff } from "../lib/diff";
import { recorded, withTimes } from "../lib/recorded";
import classes from "./acts.module.css";
import { Time } from "./kit";

/**
 * What an act changed, as it was and as it is. What programs wrote, "refuse" or
 * "oath", is said in words; names and what has no words stand as recorded, in no
 * language (zxx).
 */
export function Difference(props: { before?: unknown; after?: unknown; subject?: string }) {
  const { t } = useText();
  const isNew = props.before === undefined || props.before === null || props.before === "";
  const isGone = props.after === undefined || props.after === null || props.after === "";
  // Of a record that was made or ended, what says nothing to a reader is left
  // out: its number, its time and its name, which the act has too, and what it has not.
  const list = diff(props.before, props.after).filter((d) => {
    const value = d.after ?? d.before ?? "";
    if (!isNew && !isGone) return true;
    if (/^(name|account)$/.test(d.path) && value === props.subject) return false;
    return !/^(id|created)$/.test(d.path) && !/^(false|0)$/.test(value);
  });
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
                  <Value path={d.path} value={d.before} />
                </del>
              )}
              {d.after !== undefined && !isGone && (
                <ins>
                  <span className="sp-hidden">{t("acts.is")} </span>
                  <Value path={d.path} value={d.after} />
                </ins>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Value({ path, value }: { path: string; value: string }) {
  const { t, exact } = useText();
  const words = recorded(path, value, t, exact);
  return <span lang={words === undefined ? "zxx" : undefined}>{words ?? value}</span>;
}

export function Acts(props: { acts: Act[]; subject?: boolean }) {
  const { t, exact } = useText();
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
              <Text size="sm">{withTimes(a.detail, exact)}</Text>
            )}
            <Difference before={a.before} after={a.after} subject={a.subject} />
          </Stack>
        </li>
      ))}
    </ol>
  );
}

function Subject({ act }: { act: Act }) {
  return <span className={classes.subject}>{act.subject}</span>;
}
