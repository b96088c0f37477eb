import { Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import type { SystemView } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { Answered, Empty, Mono, Page, sentence } from "../ui/kit";
import { Rows } from "../ui/Rows";

/** A value without the quotes and brackets of the file; "" of an empty one. */
function plain(value: string): string {
  if (!/^["[]/.test(value)) return value;
  try {
    const is: unknown = JSON.parse(value);
    if (typeof is === "string") return is;
    if (Array.isArray(is) && is.every((x) => typeof x === "string")) return is.join(", ");
  } catch {
    // Not written as JSON writes it: shown as it is.
  }
  return value;
}

/** The configuration in force. It is read here and changed in the file. */
export default function Settings() {
  const { t } = useText();
  const may = useMay();
  const [text, setText] = useState("");
  const q = useGet<SystemView>("/v1/system", undefined, { enabled: may("system.read") });
  const part = text.trim().toLowerCase();
  return (
    <Page title={t("nav.settings")} lead={t("settings.lead")} permission="system.read">
      <div className="sp-filters">
        <TextInput
          data-grow
          label={t("settings.find")}
          type="search"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
        />
      </div>
      <Answered q={q}>
        {(s) => (
          <Rows
            label={t("nav.settings")}
            rows={s.settings.filter((x) => `${x.key} ${x.value} ${x.help ?? ""}`.toLowerCase().includes(part))}
            id={(x) => x.key}
            empty={<Empty title={t("settings.none")} />}
            columns={[
              { key: "key", label: t("settings.key"), narrow: true, render: (x) => <Mono>{x.key}</Mono> },
              {
                key: "value",
                label: t("settings.value"),
                width: "16rem",
                render: (x) =>
                  plain(x.value) === "" ? (
                    <Text span size="sm" c="dimmed">
                      {t("settings.unset")}
                    </Text>
                  ) : (
                    <Mono>{plain(x.value)}</Mono>
                  ),
              },
              { key: "help", label: t("settings.help"), wideOnCard: true, render: (x) => sentence(x.help ?? "") },
            ]}
          />
        )}
      </Answered>
    </Page>
  );
}
