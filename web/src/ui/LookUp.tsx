import { Kbd, Modal, Text, TextInput, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { useDebouncedValue, useHotkeys } from "@mantine/hooks";
import { IconArrowRight, IconSearch } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { type ComponentType, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

export interface Found {
  key: string;
  title: string;
  detail?: string;
  icon?: ComponentType<{ size?: number; "aria-hidden"?: boolean }>;
  /** A path of this site. */
  to: string;
}

interface LookUpProps {
  /** What the box can find at once: pages and commands, filtered by what is typed. */
  pages: Found[];
  /** Where a reference is explained, for instance (r) => `/console/logins/${r}`. */
  reference?: (reference: string) => string;
  /** Asks the server for accounts and the like; called when typing pauses. */
  search?: (text: string, signal: AbortSignal) => Promise<Found[]>;
  placeholder: string;
}

/**
 * A typed or dictated reference in its canonical form, 7F3K-92QD, or undefined.
 * Crockford's base 32 reads O as 0, I and L as 1, and has no U.
 */
export function readReference(text: string): string | undefined {
  const s = text.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  return /^[0-9A-HJKMNP-TV-Z]{8}$/.test(s) ? `${s.slice(0, 4)}-${s.slice(4)}` : undefined;
}

/** One box for everything: a reference that somebody reads out, a name, a page. Opens with Ctrl K, ⌘ K or "/". */
export function LookUp({ pages, reference, search, placeholder }: LookUpProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  useHotkeys([
    ["mod+K", () => setOpen(true)],
    ["/", () => setOpen(true)],
  ]);
  return (
    <>
      <button type="button" className="sp-lookup" aria-keyshortcuts="Control+K" onClick={() => setOpen(true)}>
        <IconSearch size={17} aria-hidden />
        <span>{placeholder}</span>
        <Kbd size="xs" aria-hidden>
          {t("ui.lookup.key")}
        </Kbd>
      </button>
      <Modal
        opened={open}
        onClose={() => setOpen(false)}
        withCloseButton={false}
        padding="sm"
        size="lg"
        centered={false}
        yOffset="10vh"
        attributes={{ content: { "aria-label": placeholder } }}
      >
        <Palette pages={pages} reference={reference} search={search} placeholder={placeholder} close={() => setOpen(false)} />
      </Modal>
    </>
  );
}

function Palette({ pages, reference, search, placeholder, close }: LookUpProps & { close: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [settled] = useDebouncedValue(text.trim(), 180);
  const [found, setFound] = useState<Found[]>([]);
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();

  const searcher = useRef(search);
  searcher.current = search;
  useEffect(() => {
    if (!searcher.current || settled.length < 2) {
      setFound([]);
      return;
    }
    const stop = new AbortController();
    searcher.current(settled, stop.signal).then(
      (f) => {
        if (!stop.signal.aborted) setFound(f);
      },
      () => {
        if (!stop.signal.aborted) setFound([]);
      },
    );
    return () => stop.abort();
  }, [settled]);

  const words = text.trim().toLowerCase();
  const ref = reference ? readReference(text) : undefined;
  const items: Found[] = [
    ...(ref && reference ? [{ key: `ref ${ref}`, title: t("ui.lookup.reference", { reference: ref }), to: reference(ref) }] : []),
    ...found,
    ...pages.filter((p) => !words || p.title.toLowerCase().includes(words) || p.detail?.toLowerCase().includes(words)),
  ].slice(0, 12);
  const now = Math.min(at, Math.max(items.length - 1, 0));

  const go = (f: Found | undefined) => {
    if (!f) return;
    close();
    void navigate({ href: f.to });
  };
  const key = (e: KeyboardEvent) => {
    const to = { ArrowDown: now + 1, ArrowUp: now - 1 }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      const next = (to + items.length) % Math.max(items.length, 1);
      setAt(next);
      list.current?.children[next]?.scrollIntoView({ block: "nearest" });
    } else if (e.key === "Enter") {
      e.preventDefault();
      go(items[now]);
    }
  };
  return (
    <div>
      <TextInput
        data-autofocus
        size="md"
        aria-label={placeholder}
        placeholder={placeholder}
        leftSection={<IconSearch size={18} aria-hidden />}
        value={text}
        role="combobox"
        aria-expanded
        aria-controls={id}
        aria-activedescendant={items.length ? `${id}-${now}` : undefined}
        autoComplete="off"
        spellCheck={false}
        onChange={(e) => {
          setText(e.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={key}
      />
      <div id={id} role="listbox" aria-label={placeholder} ref={list} className="sp-found">
        {items.map((f, i) => {
          const Icon = f.icon ?? IconArrowRight;
          return (
            <UnstyledButton
              key={f.key}
              id={`${id}-${i}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === now}
              className="sp-found-item"
              onMouseMove={() => setAt(i)}
              onClick={() => go(f)}
            >
              <Icon size={18} aria-hidden />
              <span>
                {f.title}
                {f.detail ? (
                  <Text span size="sm" c="dimmed">
                    {f.detail}
                  </Text>
                ) : null}
              </span>
            </UnstyledButton>
          );
        })}
      </div>
      {items.length === 0 ? (
        <Text size="sm" c="dimmed" p="sm">
          {t("ui.lookup.nothing")}
        </Text>
      ) : null}
      <VisuallyHidden role="status">{t("ui.lookup.count", { count: items.length })}</VisuallyHidden>
    </div>
  );
}
