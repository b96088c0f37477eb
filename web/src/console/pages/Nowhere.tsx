import { useText } from "../core";
import { usePath } from "../go";
import { Empty, Go, Mono, Page, Section } from "../ui/kit";

/** An address at which there is nothing. */
export default function Nowhere() {
  const { t } = useText();
  const path = usePath();
  return (
    <Page title={t("nowhere.title")}>
      <Section>
        <Empty title={t("nowhere.what")} action={<Go to="/console">{t("nowhere.home")}</Go>}>
          <Mono>{path}</Mono>
          <br />
          {t("nowhere.help")}
        </Empty>
      </Section>
    </Page>
  );
}
