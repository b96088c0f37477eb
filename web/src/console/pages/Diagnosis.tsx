// Log files of any MFA product, read by the server: what went wrong, the lines
// that prove it, and what mends it.
import { Accordion, Alert, Badge, Button, Code, Group, Select, Stack, Text } from "@mantine/core";
import { IconDownload, IconFileUpload, IconUpload } from "@tabler/icons-react";
import { type DragEvent, useRef, useState } from "react";
import { call, callFile, save } from "../api/call";
import type { DiagnosisAttempt, DiagnosisFinding, DiagnosisStep, Diagnosis as Report } from "../api/types";
import { useText } from "../core";
import { Copy, Empty, Facts, Fault, Mono, Page, Section, Status, sentence, Time, Warnings } from "../ui/kit";
import { Rows } from "../ui/Rows";
import classes from "./Diagnosis.module.css";

const sizes = ["B", "kB", "MB", "GB"];

function size(bytes: number, n: (v: number) => string): string {
  let v = bytes;
  let i = 0;
  while (v >= 1000 && i < sizes.length - 1) {
    v /= 1000;
    i++;
  }
  return `${n(i === 0 ? v : Math.round(v * 10) / 10)} ${sizes[i] ?? ""}`;
}

export default function Diagnosis() {
  const { t, n } = useText();
  const [files, setFiles] = useState<File[]>([]);
  const [over, setOver] = useState(false);
  const [busy, setBusy] = useState<"" | "json" | "html">("");
  const [error, setError] = useState<Error | undefined>();
  const [report, setReport] = useState<Report | undefined>();
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const [zone, setZone] = useState(own);
  const input = useRef<HTMLInputElement>(null);

  const body = () => {
    const form = new FormData();
    for (const f of files) form.append("files", f, f.name);
    return form;
  };
  const take = (list: FileList | null) => {
    if (list === null || list.length === 0) return;
    setFiles((have) => [...have.filter((h) => ![...list].some((f) => f.name === h.name)), ...list]);
    setReport(undefined);
  };
  const run = async () => {
    setBusy("json");
    setError(undefined);
    try {
      setReport(await call<Report>("POST", "/v1/diagnoses", { query: { zone }, body: body() }));
    } catch (e) {
      setError(e as Error);
    } finally {
      setBusy("");
    }
  };
  const page = async () => {
    setBusy("html");
    setError(undefined);
    try {
      save(
        await callFile("POST", "/v1/diagnoses", "text/html", { query: { format: "html", zone }, body: body() }),
        `diagnosis-${new Date().toISOString().slice(0, 10)}.html`,
      );
    } catch (e) {
      setError(e as Error);
    } finally {
      setBusy("");
    }
  };
  const drop = (e: DragEvent) => {
    e.preventDefault();
    setOver(false);
    take(e.dataTransfer.files);
  };

  return (
    <Page title={t("nav.diagnosis")} lead={t("diagnosis.lead")} permission="diagnose">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same for keyboards */}
      <div
        className={classes.drop}
        data-over={over ? "" : undefined}
        onDragOver={(e) => {
          e.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <IconFileUpload size={34} stroke={1.4} aria-hidden />
        <Text fw={600}>{t("diagnosis.drop")}</Text>
        <Text size="sm" c="dimmed" ta="center" maw={560}>
          {t("diagnosis.kinds")}
        </Text>
        <input
          ref={input}
          type="file"
          multiple
          className="sp-hidden"
          tabIndex={-1}
          aria-label={t("diagnosis.choose")}
          onChange={(e) => {
            take(e.currentTarget.files);
            e.currentTarget.value = "";
          }}
        />
        <Button variant="default" leftSection={<IconUpload size={16} aria-hidden />} onClick={() => input.current?.click()}>
          {t("diagnosis.choose")}
        </Button>
      </div>
      {files.length > 0 && (
        <Section title={t("diagnosis.files", { count: files.length })}>
          <ul className={classes.files}>
            {files.map((f) => (
              <li key={f.name}>
                <span>
                  <Mono>{f.name}</Mono>{" "}
                  <Text span size="sm" c="dimmed">
                    {size(f.size, n)}
                  </Text>
                </span>
                <Button
                  size="compact-xs"
                  variant="subtle"
                  color="red"
                  onClick={() => setFiles(files.filter((x) => x !== f))}
                  aria-label={`${t("act.remove")}: ${f.name}`}
                >
                  {t("act.remove")}
                </Button>
              </li>
            ))}
          </ul>
          <Select
            label={t("diagnosis.zone")}
            description={t("diagnosis.zone_help")}
            data={[...new Set([own, "UTC"])]}
            value={zone}
            onChange={(v) => setZone(v ?? own)}
            maw={360}
            mt="sm"
          />
          <Group mt="sm" gap="xs">
            <Button loading={busy === "json"} onClick={() => void run()}>
              {t("diagnosis.run")}
            </Button>
            <Button
              variant="default"
              loading={busy === "html"}
              leftSection={<IconDownload size={16} aria-hidden />}
              onClick={() => void page()}
            >
              {t("diagnosis.html")}
            </Button>
          </Group>
          <Text size="sm" c="dimmed" mt="xs">
            {t("diagnosis.privacy")}
          </Text>
        </Section>
      )}
      <Fault error={error} />
      {report !== undefined && <Result r={report} />}
    </Page>
  );
}

function Result({ r }: { r: Report }) {
  const { t, n } = useText();
  const findings = r.findings ?? [];
  const attempts = r.attempts ?? [];
  const causes = findings.filter((f) => f.note !== true);
  const notes = findings.filter((f) => f.note === true);
  return (
    <>
      <div role="status">
        <Alert color={causes.length === 0 ? "green" : "yellow"} title={t("diagnosis.result", { count: causes.length })}>
          {t("diagnosis.totals", {
            attempts: n(r.totals.attempts),
            accepted: n(r.totals.accepted),
            refused: n(r.totals.refused),
            failed: n(r.totals.failed),
            challenged: n(r.totals.challenged),
            abandoned: n(r.totals.abandoned),
          })}
        </Alert>
      </div>
      <Warnings list={r.warnings} title={t("diagnosis.left_out")} />
      {causes.length === 0 && (
        <Section>
          <Empty title={t("diagnosis.nothing")} good={r.totals.attempts > 0}>
            {t(r.totals.attempts > 0 ? "diagnosis.nothing_help" : "diagnosis.unread_help")}
          </Empty>
        </Section>
      )}
      {causes.map((f) => (
        <Finding key={f.cause} f={f} />
      ))}
      {notes.length > 0 && (
        <Section title={t("diagnosis.notes")} lead={t("diagnosis.notes_lead")}>
          <Accordion variant="separated">
            {notes.map((f) => (
              <Accordion.Item key={f.cause} value={f.cause}>
                <Accordion.Control>{f.title}</Accordion.Control>
                <Accordion.Panel>
                  <Details f={f} />
                </Accordion.Panel>
              </Accordion.Item>
            ))}
          </Accordion>
        </Section>
      )}
      {attempts.length > 0 && <Attempts list={attempts} findings={findings} />}
      <Section title={t("diagnosis.read")} flush>
        <Rows
          label={t("diagnosis.read")}
          rows={r.files ?? []}
          id={(f) => f.name}
          columns={[
            { key: "name", label: t("diagnosis.file"), render: (f) => <Mono>{f.name}</Mono> },
            {
              key: "formats",
              label: t("diagnosis.format"),
              render: (f) => Object.keys(f.formats ?? {}).join(", ") || <Status tone="muted">{t("diagnosis.no_format")}</Status>,
            },
            { key: "lines", label: t("diagnosis.lines"), number: true, render: (f) => n(f.lines) },
            { key: "bytes", label: t("diagnosis.size"), number: true, render: (f) => size(f.bytes, n) },
            {
              key: "error",
              label: t("diagnosis.problem"),
              render: (f) => (f.error === undefined || f.error === "" ? "–" : sentence(f.error)),
            },
          ]}
        />
      </Section>
    </>
  );
}

const sure = { proven: "red", likely: "yellow", possible: "gray" } as const;

function Finding({ f }: { f: DiagnosisFinding }) {
  const { t, n } = useText();
  return (
    <Section
      title={f.title}
      actions={
        <>
          <Badge color={sure[f.confidence] ?? "gray"}>{t(`confidence.${f.confidence}`, { defaultValue: f.confidence })}</Badge>
          <Badge color={f.mfa_at_fault ? "red" : "gray"}>{t(f.mfa_at_fault ? "trace.at_fault" : "trace.not_at_fault")}</Badge>
          <Badge color="gray">{t("findings.times", { count: f.count, n: n(f.count) })}</Badge>
        </>
      }
    >
      <Details f={f} />
    </Section>
  );
}

function Details({ f }: { f: DiagnosisFinding }) {
  const { t, n } = useText();
  return (
    <Stack gap="md">
      <Text className={classes.text}>{sentence(f.means)}</Text>
      {f.confidence_reason !== "" && (
        <Text size="sm" c="dimmed">
          {sentence(f.confidence_reason)}
        </Text>
      )}
      <Facts
        facts={[
          [t("diagnosis.who"), f.who],
          [
            t("diagnosis.users"),
            (f.users ?? []).length > 0
              ? `${(f.users ?? []).join(", ")}${(f.user_count ?? 0) > (f.users ?? []).length ? ` (${n(f.user_count ?? 0)})` : ""}`
              : undefined,
          ],
          [t("diagnosis.hosts"), (f.hosts ?? []).length > 0 ? (f.hosts ?? []).join(", ") : undefined],
          [t("diagnosis.clients"), (f.clients ?? []).length > 0 ? (f.clients ?? []).join(", ") : undefined],
          [t("findings.first"), f.first === undefined ? undefined : <Time key="first" at={f.first} form="exact" />],
          [t("findings.last"), f.last === undefined ? undefined : <Time key="last" at={f.last} form="exact" />],
        ]}
      />
      {(f.remedy ?? []).length > 0 && <Doing title={t("diagnosis.remedy")} steps={f.remedy ?? []} />}
      {(f.verify ?? []).length > 0 && <Doing title={t("diagnosis.verify")} steps={f.verify ?? []} />}
      {(f.evidence ?? []).length > 0 && (
        <details open>
          <summary>{t("diagnosis.evidence")}</summary>
          <ul className={classes.evidence}>
            {(f.evidence ?? []).map((e) => (
              <li key={`${e.file}:${String(e.line)}:${e.text}`}>
                <span className={classes.where}>{e.line > 0 ? `${e.file}:${String(e.line)}` : e.file}</span>
                <code>{e.text}</code>
              </li>
            ))}
          </ul>
        </details>
      )}
      {(f.source ?? []).length > 0 && (
        <Text size="sm" c="dimmed">
          {t("diagnosis.source")} {(f.source ?? []).join(" · ")}
        </Text>
      )}
    </Stack>
  );
}

function Doing({ title, steps }: { title: string; steps: DiagnosisStep[] }) {
  const { t } = useText();
  return (
    <div>
      <Text fw={600}>{title}</Text>
      <ol className={classes.steps}>
        {steps.map((s) => (
          <li key={s.text}>
            {sentence(s.text)}
            {(s.commands ?? []).map((c) => (
              <Group key={c} gap={4} wrap="nowrap" align="flex-start" mt={4}>
                <Code block className={classes.command}>
                  {c}
                </Code>
                <Copy value={c} label={t("act.copy")} />
              </Group>
            ))}
          </li>
        ))}
      </ol>
    </div>
  );
}

const tones = { accepted: "ok", refused: "bad", failed: "warn", challenged: "info", abandoned: "muted" } as const;

/** The attempts on a line of time, and in a table. */
function Attempts({ list, findings }: { list: DiagnosisAttempt[]; findings: DiagnosisFinding[] }) {
  const { t, minute, n } = useText();
  const [verdict, setVerdict] = useState("");
  const [many, setMany] = useState(50);
  const title = new Map(findings.map((f) => [f.cause, f.title]));
  const timed = list.filter((a) => a.time !== undefined);
  const from = Math.min(...timed.map((a) => Date.parse(a.time ?? "")));
  const to = Math.max(...timed.map((a) => Date.parse(a.time ?? "")));
  const shown = list.filter((a) => verdict === "" || a.verdict === verdict);
  const lanes = (["accepted", "challenged", "refused", "failed", "abandoned"] as const).filter((v) => list.some((a) => a.verdict === v));
  const x = (a: DiagnosisAttempt) => (to > from ? 110 + ((Date.parse(a.time ?? "") - from) / (to - from)) * 595 : 400);
  return (
    <Section
      title={t("diagnosis.timeline")}
      actions={
        <Select
          aria-label={t("log.verdicts")}
          size="xs"
          data={[{ value: "", label: t("log.all_verdicts") }, ...lanes.map((v) => ({ value: v, label: t(`attempt.${v}`) }))]}
          value={verdict}
          onChange={(v) => setVerdict(v ?? "")}
        />
      }
    >
      {timed.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <div className={classes.draw} tabIndex={0} role="group" aria-label={t("drawing")}>
          <svg
            viewBox={`0 0 720 ${String(lanes.length * 26 + 30)}`}
            role="img"
            aria-label={t("diagnosis.drawn", {
              from: minute(new Date(from).toISOString()),
              to: minute(new Date(to).toISOString()),
              count: timed.length,
            })}
          >
            {lanes.map((v, i) => (
              <g key={v}>
                <text x={100} y={i * 26 + 20} textAnchor="end" className={classes.lane}>
                  {t(`attempt.${v}`)}
                </text>
                <line x1={110} x2={705} y1={i * 26 + 16} y2={i * 26 + 16} className={classes.axis} />
                {timed
                  .filter((a) => a.verdict === v)
                  .slice(0, 2000)
                  .map((a) => (
                    <line
                      key={`${a.file}${String(a.line)}${a.time ?? ""}`}
                      x1={x(a)}
                      x2={x(a)}
                      y1={i * 26 + 8}
                      y2={i * 26 + 24}
                      className={classes.tick}
                      data-tone={tones[v]}
                    />
                  ))}
              </g>
            ))}
            <text x={110} y={lanes.length * 26 + 24} className={classes.lane}>
              {minute(new Date(from).toISOString())}
            </text>
            <text x={705} y={lanes.length * 26 + 24} textAnchor="end" className={classes.lane}>
              {minute(new Date(to).toISOString())}
            </text>
          </svg>
        </div>
      )}
      <Rows
        label={t("diagnosis.timeline")}
        rows={shown.slice(0, many)}
        id={(a) => `${a.file}:${String(a.line)}:${a.time ?? ""}`}
        more={{ has: shown.length > many, busy: false, load: () => setMany(many + 200) }}
        foot={t("diagnosis.attempts", { count: shown.length, n: n(shown.length) })}
        columns={[
          {
            key: "verdict",
            label: t("log.col.outcome"),
            render: (a) => <Status tone={tones[a.verdict] ?? "muted"}>{t(`attempt.${a.verdict}`, { defaultValue: a.verdict })}</Status>,
          },
          { key: "time", label: t("log.col.time"), render: (a) => <Time at={a.time} form="exact" /> },
          { key: "user", label: t("diagnosis.user"), render: (a) => a.user ?? "–" },
          { key: "client", label: t("diagnosis.through"), render: (a) => a.client ?? a.host ?? "–" },
          { key: "method", label: t("log.col.factor"), render: (a) => a.method ?? "–" },
          {
            key: "causes",
            label: t("diagnosis.why"),
            render: (a) => (a.causes ?? []).map((c) => title.get(c) ?? c).join("; ") || (a.codes ?? []).join(", ") || "–",
          },
          { key: "line", label: t("diagnosis.line"), render: (a) => <Mono>{`${a.file}:${String(a.line)}`}</Mono> },
        ]}
      />
    </Section>
  );
}
