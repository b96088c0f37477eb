import { part } from "../api/call";
import type { BypassView, Page as Listed } from "../api/types";
import { useChange, useGet, useMay, useText } from "../core";
import { useConfirm } from "../ui/confirm";
import { AccountLink, Answered, Empty, Fault, MayButton, Page, Status, Time } from "../ui/kit";
import { Rows } from "../ui/Rows";

export default function Bypasses() {
  const { t } = useText();
  const may = useMay();
  const q = useGet<Listed<BypassView>>("/v1/bypasses", undefined, { enabled: may("bypass.read"), every: 30_000 });
  const change = useChange();
  const confirm = useConfirm();
  const drop = async (b: BypassView) => {
    const yes = await confirm({
      title: t("bypass.remove_title", { name: b.account }),
      consequences: [t("bypass.remove_1")],
      act: t("bypass.remove"),
    });
    if (yes) change.run({ method: "DELETE", path: `/v1/accounts/${part(b.account)}/bypass`, done: t("bypass.did_remove") });
  };
  return (
    <Page title={t("nav.bypasses")} lead={t("bypass.page_lead")} permission="bypass.read">
      <Fault error={change.error} />
      <Answered q={q}>
        {(d) => (
          <Rows
            label={t("nav.bypasses")}
            rows={d.items}
            id={(b) => b.account + b.from}
            empty={
              <Empty title={t("bypass.none")} good>
                {t("bypass.none_help")}
              </Empty>
            }
            columns={[
              { key: "account", label: t("event.account"), render: (b) => <AccountLink name={b.account} /> },
              {
                key: "live",
                label: t("accounts.state"),
                render: (b) => <Status tone={b.live ? "warn" : "muted"}>{t(b.live ? "bypass.live" : "bypass.over")}</Status>,
              },
              { key: "until", label: t("bypass.ends"), render: (b) => <Time at={b.until} /> },
              { key: "reason", label: t("confirm.reason"), render: (b) => b.reason },
              { key: "actor", label: t("bypass.actor"), render: (b) => b.actor },
              {
                key: "do",
                label: "",
                render: (b) => (
                  <MayButton permission="bypass.write" size="compact-xs" variant="subtle" color="red" onClick={() => void drop(b)}>
                    {t("bypass.remove")}
                  </MayButton>
                ),
              },
            ]}
          />
        )}
      </Answered>
    </Page>
  );
}
