import { ActionIcon, Alert, Badge, Button, Group, Menu, Modal, Stack, Text, TextInput } from "@mantine/core";
import {
  IconAlertTriangle,
  IconCalculator,
  IconDeviceMobile,
  IconDialpad,
  IconDots,
  IconKey,
  IconLock,
  IconPencil,
  IconPlus,
  IconShieldCheck,
  IconStar,
  IconTrash,
} from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ComponentType, type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { type AuthenticatorView, api, got, keyOf, type Me, ProblemError, useApi } from "~/api";
import { confirm, EmptyState, Loading, Page, ProblemNote, RecoveryCodes, Section, Status, Time, toast, useFactorName, useNow } from "~/ui";
import { date } from "~/ui/time";
import { NewPassword } from "../enrol/EnrolFlow";
import { pinStanding } from "../enrol/pin";

const icons: Record<string, ComponentType<{ size?: number; "aria-hidden"?: boolean }>> = {
  webauthn: IconKey,
  oath: IconDeviceMobile,
  token: IconCalculator,
};

/** What a person holds to sign in, and what they can do about it. */
export function HomePage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const me = useApi("/v1/me");
  if (me.error) return <ProblemNote error={me.error} onRetry={() => void me.refetch()} />;
  if (!me.data) return <Loading />;
  const second = me.data.authenticators.filter((a) => a.factor !== "password" && a.factor !== "recovery");
  const add = () => void navigate({ to: "/portal/add" });
  return (
    <Page title={t("portal.home.title", { name: me.data.name })} lead={t("portal.home.lead")}>
      {me.data.pin ? <PinEnds pin={me.data.pin} /> : null}
      <Section
        title={t("portal.methods.title")}
        lead={second.length === 1 ? t("portal.methods.onlyOne") : t("portal.methods.lead")}
        actions={
          <Button leftSection={<IconPlus size={17} aria-hidden />} onClick={add}>
            {t("portal.methods.add")}
          </Button>
        }
      >
        {second.length === 0 ? (
          <EmptyState icon={IconShieldCheck} title={t("portal.methods.none")}>
            {t("portal.methods.noneWhat")}
          </EmptyState>
        ) : (
          <Stack gap="xs">
            {second.map((a) => (
              <Method key={a.id} a={a} last={second.length === 1} />
            ))}
          </Stack>
        )}
      </Section>
      <Recovery me={me.data} hasSecond={second.length > 0} />
      {me.data.pin ? <Pin pin={me.data.pin} /> : null}
      <Password me={me.data} />
      {me.data.may_bypass || me.data.bypass ? <Bypass me={me.data} /> : null}
    </Page>
  );
}

function useMe() {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: keyOf("/v1/me") });
}

function Method({ a, last }: { a: AuthenticatorView; last: boolean }) {
  const { t } = useTranslation();
  const factor = useFactorName();
  const refresh = useMe();
  const [renaming, setRenaming] = useState(false);
  const kind = a.factor === "oath" && a.serial ? "token" : a.factor;
  const Icon = icons[kind] ?? IconShieldCheck;
  const name = a.label || factor(kind);
  const isDefault = a.default && !last;
  const path = { params: { path: { id: a.id } } };

  const prefer = useMutation({
    mutationFn: () => got(api.PATCH("/v1/me/authenticators/{id}", { ...path, body: { default: true } })),
    onSuccess: async () => {
      toast.ok(t("portal.methods.isDefault", { name }));
      await refresh();
    },
    onError: toast.problem,
  });
  const remove = useMutation({
    mutationFn: () => got(api.DELETE("/v1/me/authenticators/{id}", path)),
    onSuccess: async () => {
      toast.ok(t("portal.remove.done", { name }));
      await refresh();
    },
    onError: toast.problem,
  });
  const askRemove = async () => {
    const yes = await confirm({
      title: t("portal.remove.title", { name }),
      happens: [t("portal.remove.ends", { name }), t("portal.remove.others"), t("portal.remove.sessions"), t("portal.remove.again")],
      action: t("portal.remove.do"),
      danger: true,
    });
    if (yes) remove.mutate();
  };
  return (
    <div className="sp-item">
      <Icon size={26} aria-hidden />
      <div style={{ flex: 1, minWidth: 0 }}>
        <Group gap="xs" style={{ rowGap: 0 }}>
          <Text fw={620}>{name}</Text>
          {isDefault ? <Badge>{t("portal.methods.default")}</Badge> : null}
        </Group>
        <Text size="sm" c="dimmed" className="sp-item-facts">
          {a.label ? <span>{factor(kind)} </span> : null}
          {a.serial ? <span>{t("portal.methods.serial", { serial: a.serial })} </span> : null}
          <span>
            {t("portal.methods.since")} <Time value={a.created} as="date" />{" "}
          </span>
          {a.used_at ? (
            <span>
              {t("portal.methods.used")} <Time value={a.used_at} as="relative" />
            </span>
          ) : null}
        </Text>
      </div>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("portal.methods.menu", { name })} loading={remove.isPending}>
            <IconDots size={20} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {!isDefault && !last ? (
            <Menu.Item leftSection={<IconStar size={16} aria-hidden />} onClick={() => prefer.mutate()}>
              {t("portal.methods.makeDefault")}
            </Menu.Item>
          ) : null}
          <Menu.Item leftSection={<IconPencil size={16} aria-hidden />} onClick={() => setRenaming(true)}>
            {t("portal.rename.do")}
          </Menu.Item>
          <Menu.Item color="red" disabled={last} leftSection={<IconTrash size={16} aria-hidden />} onClick={() => void askRemove()}>
            {t("portal.remove.menu")}
          </Menu.Item>
          {last ? <Menu.Label maw={240}>{t("portal.remove.last")}</Menu.Label> : null}
        </Menu.Dropdown>
      </Menu>
      {renaming ? <Rename a={a} onClose={() => setRenaming(false)} /> : null}
    </div>
  );
}

function Rename({ a, onClose }: { a: AuthenticatorView; onClose: () => void }) {
  const { t } = useTranslation();
  const refresh = useMe();
  const [label, setLabel] = useState(a.label);
  const save = useMutation({
    mutationFn: () => got(api.PATCH("/v1/me/authenticators/{id}", { params: { path: { id: a.id } }, body: { label: label.trim() } })),
    onSuccess: async () => {
      await refresh();
      onClose();
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate();
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={<Text fw={650}>{t("portal.rename.title")}</Text>}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <form onSubmit={submit}>
        <Stack>
          <ProblemNote error={save.error} />
          <TextInput
            label={t("portal.rename.name")}
            description={t("enrol.passkey.nameHelp")}
            data-autofocus
            maxLength={64}
            value={label}
            onChange={(e) => setLabel(e.currentTarget.value)}
          />
          <Group justify="flex-end">
            <Button type="button" variant="default" onClick={onClose}>
              {t("ui.cancel")}
            </Button>
            <Button type="submit" loading={save.isPending} disabled={!label.trim()}>
              {t("ui.save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Recovery({ me, hasSecond }: { me: Me; hasSecond: boolean }) {
  const { t } = useTranslation();
  const refresh = useMe();
  const [codes, setCodes] = useState<string[]>();
  const make = useMutation({
    mutationFn: () => got(api.POST("/v1/me/recovery-codes", {})),
    onSuccess: (r) => setCodes(r.recovery_codes),
    onError: toast.problem,
  });
  const left = me.recovery_codes_left;
  const ask = async () => {
    if (me.has_recovery_codes) {
      const yes = await confirm({
        title: t("portal.codes.askTitle"),
        happens: [left === undefined ? t("portal.codes.askOldAny") : t("portal.codes.askOld", { count: left }), t("portal.codes.askNew")],
        action: t("portal.codes.make"),
      });
      if (!yes) return;
    }
    make.mutate();
  };
  return (
    <Section
      title={t("portal.codes.title")}
      lead={t("portal.codes.lead")}
      actions={
        <Button variant="default" loading={make.isPending} disabled={!hasSecond} onClick={() => void ask()}>
          {t("portal.codes.make")}
        </Button>
      }
    >
      {!me.has_recovery_codes ? (
        <Status tone="warn">{t("portal.codes.none")}</Status>
      ) : left === undefined ? (
        <Status tone="ok">{t("portal.codes.some")}</Status>
      ) : (
        <Status tone={left > 2 ? "ok" : "warn"}>{t("portal.codes.left", { count: left })}</Status>
      )}
      {hasSecond ? null : (
        <Text size="sm" c="dimmed" mt={6}>
          {t("portal.codes.first")}
        </Text>
      )}
      {codes ? (
        <Modal
          opened
          size="lg"
          onClose={() => {}}
          withCloseButton={false}
          closeOnEscape={false}
          closeOnClickOutside={false}
          title={<Text fw={650}>{t("portal.codes.title")}</Text>}
        >
          <RecoveryCodes
            codes={codes}
            account={me.name}
            doneLabel={t("portal.codes.kept")}
            onDone={() => {
              setCodes(undefined);
              void refresh();
            }}
          />
        </Modal>
      ) : null}
    </Section>
  );
}

type PIN = NonNullable<Me["pin"]>;

/** Says that a PIN must be changed: who comes with an expired one comes for that. */
function PinEnds({ pin }: { pin: PIN }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const standing = pinStanding(pin, useNow());
  if (standing !== "ending" && standing !== "expired") return null;
  const on = pin.expires ? date(new Date(pin.expires), i18n.language) : "";
  return (
    <Alert
      color={standing === "expired" ? "red" : "yellow"}
      icon={<IconAlertTriangle aria-hidden />}
      mb="md"
      title={t(`portal.pin.${standing}`, { date: on })}
    >
      <Text size="sm" mb="sm">
        {t(`portal.pin.${standing}What`)}
      </Text>
      <Button size="sm" onClick={() => void navigate({ to: "/portal/pin" })}>
        {t("portal.pin.now")}
      </Button>
    </Alert>
  );
}

function Pin({ pin }: { pin: PIN }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const refresh = useMe();
  const standing = pinStanding(pin, useNow());
  const remove = useMutation({
    mutationFn: () => got(api.DELETE("/v1/me/pin")),
    onSuccess: async () => {
      toast.ok(t("portal.pin.removed"));
      await refresh();
    },
    onError: toast.problem,
  });
  const askRemove = async () => {
    const yes = await confirm({
      title: t("portal.pin.askTitle"),
      happens: [t("portal.pin.askCodes"), t("portal.pin.askFinder"), t("portal.pin.askSessions"), t("portal.pin.askAgain")],
      action: t("portal.pin.remove"),
      danger: true,
    });
    if (yes) remove.mutate();
  };
  const set = (
    <span>
      {t("portal.pin.since")} <Time value={pin.set} as="date" />
    </span>
  );
  return (
    <Section
      title={t("portal.pin.title")}
      lead={t("portal.pin.lead")}
      actions={
        <Group gap="xs">
          <Button
            variant="default"
            leftSection={<IconDialpad size={17} aria-hidden />}
            onClick={() => void navigate({ to: "/portal/pin" })}
          >
            {pin.set ? t("portal.pin.change") : t("portal.pin.set")}
          </Button>
          {pin.set ? (
            <Button variant="default" loading={remove.isPending} onClick={() => void askRemove()}>
              {t("portal.pin.remove")}
            </Button>
          ) : null}
        </Group>
      }
    >
      {standing === "none" ? (
        <Status tone="muted">{t("portal.pin.none")}</Status>
      ) : (
        <Stack gap={4} align="flex-start">
          {standing === "good" ? <Status tone="ok">{set}</Status> : <Text>{set}</Text>}
          {standing === "good" && pin.expires ? (
            <Text size="sm" c="dimmed">
              {t("portal.pin.until")} <Time value={pin.expires} as="date" />
            </Text>
          ) : null}
          {standing === "good" ? null : (
            <Status tone={standing === "expired" ? "bad" : "warn"}>
              <span>
                {standing === "expired" ? t("portal.pin.over") : t("portal.pin.until")} <Time value={pin.expires} as="date" />
              </span>
            </Status>
          )}
        </Stack>
      )}
    </Section>
  );
}

function Password({ me }: { me: Me }) {
  const { t } = useTranslation();
  const refresh = useMe();
  const [changing, setChanging] = useState(false);
  return (
    <Section
      title={t("portal.password.title")}
      lead={me.has_password ? t("portal.password.has") : t("portal.password.hasNone")}
      actions={
        changing ? null : (
          <Button variant="default" leftSection={<IconLock size={16} aria-hidden />} onClick={() => setChanging(true)}>
            {me.has_password ? t("portal.password.change") : t("portal.password.set")}
          </Button>
        )
      }
    >
      {changing ? (
        <div style={{ maxWidth: "26rem" }}>
          <Text size="sm" c="dimmed" mb="sm">
            {t("portal.password.ends")}
          </Text>
          <NewPassword
            onCancel={() => setChanging(false)}
            onDone={() => {
              toast.ok(t("portal.password.done"));
              setChanging(false);
              void refresh();
            }}
          />
        </div>
      ) : null}
    </Section>
  );
}

function Bypass({ me }: { me: Me }) {
  const { t } = useTranslation();
  const refresh = useMe();
  const make = useMutation({
    mutationFn: () => got(api.POST("/v1/me/bypass", {})),
    onSuccess: async () => {
      toast.ok(t("portal.bypass.done"));
      await refresh();
    },
    onError: (e) => (e instanceof ProblemError && e.is("step-up") ? undefined : toast.problem(e)),
  });
  const ask = async () => {
    const yes = await confirm({
      title: t("portal.bypass.askTitle"),
      happens: [t("portal.bypass.askOne"), t("portal.bypass.askPassword"), t("portal.bypass.askRecord")],
      action: t("portal.bypass.make"),
    });
    if (yes) make.mutate();
  };
  const live = me.bypass?.live;
  return (
    <Section
      title={t("portal.bypass.title")}
      lead={t("portal.bypass.lead")}
      actions={
        <Button variant="default" loading={make.isPending} disabled={live || !me.may_bypass} onClick={() => void ask()}>
          {t("portal.bypass.make")}
        </Button>
      }
    >
      {live ? (
        <Status tone="warn">
          {t("portal.bypass.live")} <Time value={me.bypass?.until} />
        </Status>
      ) : (
        <Text size="sm" c="dimmed">
          {t("portal.bypass.none")}
        </Text>
      )}
    </Section>
  );
}
