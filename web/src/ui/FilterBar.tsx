import { Button, CloseButton, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconFilterOff, IconSearch } from "@tabler/icons-react";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

export type FilterField =
  | { kind: "search"; key: string; label: string; placeholder?: string }
  | { kind: "text"; key: string; label: string; placeholder?: string }
  | { kind: "select"; key: string; label: string; options: { value: string; label: string }[]; any?: string }
  | { kind: "time"; key: string; label: string };

/** What is filtered by; a key that is absent filters nothing. Keep it in the page's address. */
export type Filters = Record<string, string | undefined>;

interface FilterBarProps {
  fields: FilterField[];
  value: Filters;
  onChange: (next: Filters) => void;
  children?: ReactNode;
}

function Typed({ field, value, onChange }: { field: FilterField; value: string; onChange: (v: string) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState(value);
  const tell = useDebouncedCallback(onChange, 250);
  useEffect(() => setText(value), [value]);
  const set = (v: string) => {
    setText(v);
    tell(v);
  };
  return (
    <TextInput
      data-grow={field.kind === "search" || undefined}
      label={field.label}
      placeholder={"placeholder" in field ? field.placeholder : undefined}
      value={text}
      type={field.kind === "search" ? "search" : "text"}
      leftSection={field.kind === "search" ? <IconSearch size={16} aria-hidden /> : undefined}
      rightSection={
        text ? <CloseButton size="sm" aria-label={t("ui.filter.clearOne", { field: field.label })} onClick={() => set("")} /> : undefined
      }
      onChange={(e) => set(e.currentTarget.value)}
    />
  );
}

/** Fields to narrow a list down by. */
export function FilterBar({ fields, value, onChange, children }: FilterBarProps) {
  const { t } = useTranslation();
  const set = (key: string, v: string | null) => onChange({ ...value, [key]: v || undefined });
  const any = fields.some((f) => value[f.key]);
  return (
    <search className="sp-filters" aria-label={t("ui.filter.label")}>
      {fields.map((f) => {
        if (f.kind === "select") {
          return (
            <Select
              key={f.key}
              label={f.label}
              data={[{ value: "", label: f.any ?? t("ui.filter.any") }, ...f.options]}
              value={value[f.key] ?? ""}
              searchable={f.options.length > 12}
              onChange={(v) => set(f.key, v)}
            />
          );
        }
        if (f.kind === "time") {
          return (
            <TextInput
              key={f.key}
              label={f.label}
              type="datetime-local"
              value={toLocal(value[f.key])}
              onChange={(e) => set(f.key, fromLocal(e.currentTarget.value))}
            />
          );
        }
        return <Typed key={f.key} field={f} value={value[f.key] ?? ""} onChange={(v) => set(f.key, v)} />;
      })}
      {any ? (
        <Button
          data-fixed
          type="button"
          variant="subtle"
          leftSection={<IconFilterOff size={16} aria-hidden />}
          onClick={() => onChange(Object.fromEntries(Object.keys(value).map((k) => [k, undefined])))}
        >
          {t("ui.filter.clear")}
        </Button>
      ) : null}
      {children}
    </search>
  );
}

/** RFC 3339 to what <input type="datetime-local"> takes, in the reader's zone. */
export function toLocal(at: string | undefined): string {
  if (!at) return "";
  const d = new Date(at);
  if (Number.isNaN(d.getTime())) return "";
  return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The other way round; "" for nothing. */
export function fromLocal(text: string): string {
  const d = new Date(text);
  return Number.isNaN(d.getTime()) ? "" : d.toISOString();
}
