import { Code, Group, Text } from "@mantine/core";
import type { ExemptionView, Page as Listed } from "../api/types";
import { useGet, useMay, useText } from "../core";
import { Answered, Copy, Empty, Go, Page, Section, State, sentence, Time } from "../ui/kit";
import { Rows } from "../ui/Rows";
import classes from "./plain.module.css";

/** Where each kind of exemption is changed. */
const mends: Record<string, string> = {
  "rule-primary": "/console/rules",
  "rule-unenrolled": "/console/rules",
  "trusted-ip": "/console/trusted-ips",
  "cache-rule": "/console/cache",
  bypass: "/console/bypasses",
  "client-password": "/console/applications",
  "client-message-authenticator": "/console/applications",
  "client-origin": "/console/applications",
};

/** Everything that lets people in on less, or believes more, than the strictest would. */
export default function Exemptions() {
  const { t } = useText();
  const may = useMay();
  const q = useGet<Listed<ExemptionView>>("/v1/exemptions", undefined, { enabled: may("policy.read") });
  return (
    <Page title={t("exemptions.title")} lead={t("exemptions.lead")} permission="policy.read">
      <Answered q={q}>
        {(d) =>
          d.items.length === 0 ? (
            <Section>
              <Empty title={t("exemptions.none")} good>
                {t("exemptions.none_help")}
              </Empty>
            </Section>
          ) : (
            <Rows
              label={t("exemptions.title")}
              rows={d.items}
              id={(e) => e.kind + e.what}
              columns={[
                {
                  key: "what",
                  label: t("exemptions.what"),
                  render: (e) => (
                    <>
                      <Text size="sm" mb={4}>
                        {sentence(e.what)}
                      </Text>
                      <State color="yellow">{t(`exemption.${e.kind}`, { defaultValue: e.kind })}</State>
                    </>
                  ),
                },

                { key: "since", label: t("exemptions.since"), render: (e) => <Time at={e.since} /> },
                { key: "until", label: t("exemptions.until"), render: (e) => <Time at={e.until} none={t("exemptions.for_good")} /> },
                {
                  key: "end",
                  label: t("exemptions.end"),
                  render: (e) => (
                    <Group gap={4}>
                      {mends[e.kind] !== undefined && <Go to={mends[e.kind] ?? "/console"}>{t("exemptions.there")}</Go>}
                      <Group gap={4} wrap="nowrap">
                        <Code className={classes.command}>{e.end}</Code>
                        <Copy value={e.end} label={t("act.copy")} />
                      </Group>
                    </Group>
                  ),
                },
              ]}
            />
          )
        }
      </Answered>
    </Page>
  );
}
