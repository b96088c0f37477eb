import { Badge, Button, Code, Group, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { callingFetch } from "~/api";
import { CopyButton, Frame, Loading, Page, ProblemNote, Section } from "~/ui";
import { chapters, curl, type Description, example, type Operation, type Schema, shape } from "./openapi";

/** The description of the API, as this server serves it, for people to read. */
export function ApiReferencePage() {
  const { t } = useTranslation();
  const description = useQuery({
    queryKey: ["/v1/openapi.json"],
    queryFn: async ({ signal }) =>
      (await (await callingFetch(new Request(`${location.origin}/v1/openapi.json`, { signal }))).json()) as Description,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const [find, setFind] = useState("");
  const list = useMemo(() => (description.data ? chapters(description.data, find) : []), [description.data, find]);
  return (
    <Frame area={t("apiref.area")} home="/reference/api">
      <Page title={t("apiref.title")} lead={t("apiref.lead", { version: description.data?.info.version ?? "" })}>
        {description.error ? <ProblemNote error={description.error} onRetry={() => void description.refetch()} /> : null}
        {description.isPending ? <Loading /> : null}
        {description.data ? (
          <>
            <Section title={t("apiref.begin.title")}>
              <Text mb="sm">{t("apiref.begin.what")}</Text>
              <Block text={`curl -H "Authorization: Bearer spk_…" ${location.origin}/v1/events?limit=10`} />
              <Text size="sm" mt="sm">
                {t("apiref.begin.raw")} <a href="/v1/openapi.json">/v1/openapi.json</a>
              </Text>
            </Section>
            <TextInput
              type="search"
              label={t("apiref.find")}
              leftSection={<IconSearch size={16} aria-hidden />}
              value={find}
              mb="md"
              onChange={(e) => setFind(e.currentTarget.value)}
            />
            <nav aria-label={t("apiref.chapters")}>
              <Group gap="xs" mb="lg">
                {list.map((c) => (
                  <Button key={c.tag} component="a" href={`#${anchor(c.tag)}`} size="compact-sm" variant="default">
                    {`${c.tag} (${c.operations.length})`}
                  </Button>
                ))}
              </Group>
            </nav>
            {list.length === 0 ? <Text c="dimmed">{t("apiref.nothing")}</Text> : null}
            {list.map((c) => (
              <Section key={c.tag} title={c.tag} id={anchor(c.tag)}>
                <Stack gap="xs">
                  {c.operations.map((o) => (
                    <OperationCard key={o.id} o={o} description={description.data} />
                  ))}
                </Stack>
              </Section>
            ))}
          </>
        ) : null}
      </Page>
    </Frame>
  );
}

function anchor(tag: string): string {
  return tag.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

const methodColors: Record<string, string> = { get: "blue", post: "green", put: "amber", patch: "amber", delete: "red" };

function OperationCard({ o, description }: { o: Operation; description: Description }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <details className="sp-operation" id={o.id} open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>
        <Badge color={methodColors[o.method] ?? "gray"} w={80} style={{ flex: "none" }}>
          {o.method.toUpperCase()}
        </Badge>
        <code>{o.path}</code>
        <Text size="sm" c="dimmed">
          {o.summary}
        </Text>
      </summary>
      {open ? (
        <Stack gap="md" p="md">
          {o.description ? <Text size="sm">{o.description}</Text> : null}
          <Group gap="xs">
            {o.audience ? <Badge color="gray">{t(`apiref.audience.${o.audience}`, { defaultValue: o.audience })}</Badge> : null}
            {o.permission ? <Badge>{t("apiref.permission", { permission: o.permission })}</Badge> : null}
            {o.stepUp ? <Badge color="amber">{t("apiref.stepUp")}</Badge> : null}
          </Group>
          {o.parameters.length > 0 ? (
            <div>
              <Title order={3}>{t("apiref.parameters")}</Title>
              <Table.ScrollContainer minWidth={420}>
                <Table>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>{t("apiref.name")}</Table.Th>
                      <Table.Th>{t("apiref.in")}</Table.Th>
                      <Table.Th>{t("apiref.type")}</Table.Th>
                      <Table.Th>{t("apiref.meaning")}</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {o.parameters.map((p) => (
                      <Table.Tr key={p.in + p.name}>
                        <Table.Td>
                          <Code>{p.name}</Code>
                          {p.required ? " *" : ""}
                        </Table.Td>
                        <Table.Td>{p.in}</Table.Td>
                        <Table.Td>{shape(description, p.schema)}</Table.Td>
                        <Table.Td>{p.description ?? p.schema?.description ?? ""}</Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
            </div>
          ) : null}
          {o.body ? <Fields title={t("apiref.body")} schema={o.body} description={description} /> : null}
          {o.answer ? <Fields title={t("apiref.answer", { status: o.status })} schema={o.answer} description={description} /> : null}
          {!o.answer && o.status ? <Text size="sm">{t("apiref.noAnswer", { status: o.status })}</Text> : null}
          <div>
            <Title order={3} mb={4}>
              curl
            </Title>
            <Block text={curl(description, o, location.origin)} />
          </div>
        </Stack>
      ) : null}
    </details>
  );
}

function Fields({ title, schema, description }: { title: string; schema: Schema; description: Description }) {
  return (
    <div>
      <Title order={3} mb={4}>
        {title}
      </Title>
      <Text size="sm" c="dimmed" mb={4}>
        {shape(description, schema)}
      </Text>
      <Block text={JSON.stringify(example(description, schema), null, 2)} />
    </div>
  );
}

function Block({ text }: { text: string }) {
  const { t } = useTranslation();
  return (
    <div className="sp-secret" style={{ alignItems: "flex-start" }}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls sideways, so it must be reachable by keyboard */}
      <div className="sp-code" role="group" aria-label={t("apiref.example")} tabIndex={0}>
        <pre>
          <code>{text}</code>
        </pre>
      </div>
      <CopyButton value={text} />
    </div>
  );
}
