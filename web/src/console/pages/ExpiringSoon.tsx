import type { Expiring, Page as Listed } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { consoleLink } from "../lib/link";
import { Answered, Empty, Go, Page, Section, Status, Time } from "../ui/kit";
import { Rows } from "../ui/Rows";

const day = 86_400_000;

/** Everything that ends by itself, the soonest first, by month. */
export default function ExpiringSoon() {
  const { t, language } = useText();
  const may = useMay();
  const q = useGet<Listed<Expiring>>("/v1/expiring", undefined, { enabled: may("system.read") });
  const month = new Intl.DateTimeFormat(language, { month: "long", year: "numeric" });
  return (
    <Page title={t("nav.expiring")} lead={t("expiring.lead")} permission="system.read">
      <Answered q={q}>
        {(d) => {
          if (d.items.length === 0)
            return (
              <Section>
                <Empty title={t("overview.nothing_expires")} good>
                  {t("expiring.none_help")}
                </Empty>
              </Section>
            );
          const begun = d.items.filter((e) => e.what === "rotation");
          const ends = d.items.filter((e) => e.what !== "rotation").sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
          const groups = new Map<string, Expiring[]>();
          for (const e of ends) {
            const key = month.format(new Date(e.at));
            groups.set(key, [...(groups.get(key) ?? []), e]);
          }
          const parts: [string, Expiring[]][] = [
            ...(begun.length > 0 ? ([[t("expiring.begun"), begun]] as [string, Expiring[]][]) : []),
            ...groups,
          ];
          return parts.map(([title, items]) => (
            <Section key={title} title={title} flush>
              <Rows
                label={title}
                rows={items}
                id={(e) => e.what + e.name + e.at}
                columns={[
                  {
                    key: "name",
                    label: t("expiring.name"),
                    render: (e) => {
                      const to = consoleLink(e.link);
                      return to === undefined ? e.name : <Go to={to}>{e.name}</Go>;
                    },
                  },
                  { key: "what", label: t("expiring.what"), render: (e) => t(`expires.${e.what}`, { defaultValue: e.what }) },
                  {
                    key: "at",
                    label: t("expiring.at"),
                    render: (e) => {
                      const left = Date.parse(e.at) - Date.now();
                      const long = e.what === "certificate" || e.what === "api-key";
                      return (
                        <Status
                          tone={
                            e.what === "rotation" ? "warn" : long && left < 7 * day ? "bad" : long && left < 30 * day ? "warn" : "muted"
                          }
                        >
                          <Time at={e.at} />
                        </Status>
                      );
                    },
                  },
                  { key: "exact", label: t("expiring.exact"), render: (e) => <Time at={e.at} form="exact" /> },
                  { key: "detail", label: t("expiring.detail"), render: (e) => e.detail ?? "–" },
                ]}
              />
            </Section>
          ));
        }}
      </Answered>
    </Page>
  );
}
