import { Button, Skeleton } from "@mantine/core";
import { IconArrowDown, IconArrowsSort, IconArrowUp } from "@tabler/icons-react";
import { type KeyboardEvent, type MouseEvent, type ReactNode, useRef } from "react";
import { useTranslation } from "react-i18next";
import { ProblemNote } from "./basics";

export interface Column<T> {
  key: string;
  /** The heading; "" for a column of buttons, which needs none. */
  label: string;
  cell: (row: T) => ReactNode;
  align?: "end";
  nowrap?: boolean;
  /** Names the row; leads its card on narrow screens. */
  primary?: boolean;
  /** Left out of cards, because another column says it too. */
  hideOnCard?: boolean;
  /** Long text: in cards it has the whole width, without its heading. */
  wideOnCard?: boolean;
  sortable?: boolean;
  /** The least width on wide screens, for what would else break within a word. */
  width?: string;
}

export interface Sort {
  key: string;
  descending: boolean;
}

interface DataTableProps<T> {
  /** What the table shows, for screen readers. */
  label: string;
  columns: Column<T>[];
  rows: T[] | undefined;
  rowKey: (row: T) => string;
  /** What opening a row does: by click, Enter or Space. */
  onOpen?: (row: T) => void;
  selected?: string;
  loading?: boolean;
  error?: unknown;
  onRetry?: () => void;
  /** Shown when there are no rows. */
  empty?: ReactNode;
  more?: { has: boolean; load: () => void; loading?: boolean };
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  foot?: ReactNode;
}

/**
 * Rows and columns. Arrow keys, Home and End walk through the rows, Enter opens
 * one. On narrow screens each row is a card.
 */
export function DataTable<T>(props: DataTableProps<T>) {
  const { t } = useTranslation();
  const body = useRef<HTMLTableSectionElement>(null);
  const { columns, rows, onOpen } = props;

  const walk = (e: KeyboardEvent<HTMLTableRowElement>, row: T) => {
    if (e.target !== e.currentTarget) return;
    const all = [...(body.current?.querySelectorAll<HTMLTableRowElement>("tr[tabindex]") ?? [])];
    const i = all.indexOf(e.currentTarget);
    const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: all.length - 1 }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      all[to]?.focus();
    } else if (e.key === "Enter" || e.key === " ") {
      e.preventDefault();
      onOpen?.(row);
    }
  };
  const click = (e: MouseEvent, row: T) => {
    // A click on something of its own in the row, or the end of selecting text, opens nothing.
    if ((e.target as HTMLElement).closest("a, button, input, label, [role=menuitem]")) return;
    if (window.getSelection()?.type === "Range") return;
    onOpen?.(row);
  };

  if (props.error) return <ProblemNote error={props.error} onRetry={props.onRetry} />;
  const waiting = props.loading && !rows;
  if (!waiting && rows?.length === 0) return <div className="sp-table-wrap">{props.empty}</div>;
  return (
    <div className="sp-table-wrap" aria-busy={props.loading || undefined}>
      <table className="sp-table" aria-label={props.label}>
        <thead>
          <tr>
            {columns.map((c) => {
              const sorted = props.sort?.key === c.key ? props.sort : undefined;
              return (
                <th
                  key={c.key}
                  scope="col"
                  data-align={c.align}
                  style={c.width ? { width: c.width } : undefined}
                  aria-sort={sorted ? (sorted.descending ? "descending" : "ascending") : undefined}
                >
                  {c.sortable && props.onSort ? (
                    <button
                      type="button"
                      className="sp-sort"
                      onClick={() => props.onSort?.({ key: c.key, descending: sorted ? !sorted.descending : false })}
                    >
                      {c.label}
                      {!sorted ? <IconArrowsSort size={14} aria-hidden /> : null}
                      {sorted && (sorted.descending ? <IconArrowDown size={14} aria-hidden /> : <IconArrowUp size={14} aria-hidden />)}
                    </button>
                  ) : (
                    c.label || <span className="sp-hidden">{t("ui.table.actions")}</span>
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody ref={body}>
          {waiting
            ? ["a", "b", "c", "d", "e"].map((k) => (
                <tr key={k}>
                  {columns.map((c) => (
                    <td key={c.key} data-label={c.label} data-hide={c.hideOnCard || undefined}>
                      <Skeleton height={12} my={5} width="70%" />
                    </td>
                  ))}
                </tr>
              ))
            : rows?.map((row, i) => {
                const key = props.rowKey(row);
                return (
                  <tr
                    key={key}
                    data-action={onOpen ? true : undefined}
                    data-selected={props.selected === key || undefined}
                    tabIndex={onOpen ? (props.selected ? (props.selected === key ? 0 : -1) : i === 0 ? 0 : -1) : undefined}
                    onKeyDown={onOpen ? (e) => walk(e, row) : undefined}
                    onClick={onOpen ? (e) => click(e, row) : undefined}
                  >
                    {columns
                      .map((c) => ({ c, content: c.cell(row) }))
                      .map(({ c, content }) => (
                        <td
                          key={c.key}
                          data-label={c.primary || c.wideOnCard ? "" : c.label}
                          data-none={content === "–" || undefined}
                          data-primary={c.primary || undefined}
                          data-align={c.align}
                          data-nowrap={c.nowrap || undefined}
                          data-hide={c.hideOnCard || undefined}
                        >
                          <div>{content}</div>
                        </td>
                      ))}
                  </tr>
                );
              })}
        </tbody>
      </table>
      {props.more?.has || props.foot ? (
        <div className="sp-table-foot">
          <span>{props.foot}</span>
          {props.more?.has ? (
            <Button type="button" size="xs" variant="default" loading={props.more.loading} onClick={props.more.load}>
              {t("ui.table.more")}
            </Button>
          ) : null}
        </div>
      ) : null}
    </div>
  );
}
