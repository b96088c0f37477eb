import { useText } from "../core";
import { Explainer } from "../ui/Explainer";
import { Page } from "../ui/kit";

export default function Explain() {
  const { t } = useText();
  return (
    <Page title={t("explain.title")} lead={t("explain.page_lead")} permission="policy.explain">
      <Explainer />
    </Page>
  );
}
