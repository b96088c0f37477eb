import { useText } from "../core";
import { usePath } from "../go";
import { Empty, Go, Mono, Page } from "../ui/kit";

/** An address at which there is nothing. */
export default function Nowhere() {
  const { t } = useText();
  const path = usePath();
  return (
    <Page title={t("nowhere.title")}>
      <Empty title={t("nowhere.what")} action={<Go to="/console">{t("nav.dashboard")}</Go>}>
        <Mono>{path}</Mono>
      </Empty>
    </Page>
  );
}
