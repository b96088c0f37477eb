import type { ReactNode } from "react";
import { DataTable } from "~/ui/DataTable";

export interface Column<T> {
  key: string;
  label: string;
  render: (row: T) => ReactNode;
  /** Numbers stand at the right. */
  number?: boolean;
  /** No more room than it needs. */
  narrow?: boolean;
  /** The least width on wide screens, for what would else break within a word. */
  width?: string;
  /** Long text: in cards it has the whole width, without its heading. */
  wideOnCard?: boolean;
}

/** A list of records; the first column names them. */
export function Rows<T>(props: {
  label: string;
  columns: Column<T>[];
  rows: T[];
  id: (row: T) => string;
  open?: (row: T) => void;
  more?: { has: boolean; busy: boolean; load: () => void };
  empty?: ReactNode;
  foot?: ReactNode;
}) {
  return (
    <DataTable
      label={props.label}
      columns={props.columns.map((c, i) => ({
        key: c.key,
        label: c.label,
        cell: c.render,
        align: c.number === true ? ("end" as const) : undefined,
        nowrap: c.narrow,
        width: c.width,
        wideOnCard: c.wideOnCard,
        primary: i === 0,
      }))}
      rows={props.rows}
      rowKey={props.id}
      onOpen={props.open}
      empty={props.empty}
      foot={props.foot}
      more={props.more && { has: props.more.has, loading: props.more.busy, load: props.more.load }}
    />
  );
}
