import { part } from "../api/call";
import type { WhyView } from "../api/types";
import { useGet, useText } from "../core";
import { useName } from "../go";
import { Answered, Page } from "../ui/kit";
import { Explained } from "../ui/trace";

/** One login, by its reference. */
export default function SignIn() {
  const { t } = useText();
  const reference = useName();
  const q = useGet<WhyView>(`/v1/events/${part(reference)}`);
  return (
    <Page
      title={t("trace.title", { reference: reference.toUpperCase() })}
      permission="event.read"
      back={{ to: "/console/sign-ins", label: t("nav.log") }}
    >
      <div className="sp-section">
        <Answered q={q}>{(why) => <Explained why={why} />}</Answered>
      </div>
    </Page>
  );
}
