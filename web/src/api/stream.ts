import i18next from "i18next";
import { acceptLanguage } from "~/i18n";

export interface StreamHandlers {
  /** An event with its name and its data. */
  event: (name: string, data: string) => void;
  /** The connection stands. After a break, what was missed must be asked for. */
  opened: () => void;
  /** The connection is gone; it is tried again. */
  lost: () => void;
}

/** How long to wait before the next try: after a stream that ended, and after an answer that was none. */
const patience = { ended: 3000, refused: 5000 };

/**
 * Follows server-sent events (HTML, Section 9.2) until what it returns is called.
 * It is no EventSource, because that can only ask for the browser's language and
 * not for the reader's.
 */
export function stream(path: string, on: StreamHandlers, send: typeof fetch = fetch): () => void {
  let closed = false;
  let connection: AbortController;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const open = async () => {
    const mine = new AbortController();
    connection = mine;
    let wait = patience.refused;
    try {
      const response = await send(path, {
        headers: { Accept: "text/event-stream", "Accept-Language": acceptLanguage() },
        cache: "no-store",
        signal: mine.signal,
      });
      if (response.ok && response.body && response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        on.opened();
        wait = patience.ended;
        const read = eventReader(on.event);
        const text = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let part = await text.read(); !part.done; part = await text.read()) if (!mine.signal.aborted) read(part.value);
      }
    } catch {
      // The network failed, or we have closed it ourselves.
    }
    if (mine.signal.aborted) return;
    on.lost();
    timer = setTimeout(() => void open(), wait);
  };
  const anew = () => {
    if (closed) return;
    clearTimeout(timer);
    connection.abort();
    void open();
  };
  void open();
  i18next.on("languageChanged", anew);
  return () => {
    closed = true;
    i18next.off("languageChanged", anew);
    clearTimeout(timer);
    connection.abort();
  };
}

/** Takes the parts of a stream as they come and gives its events away, each once it is whole. */
export function eventReader(give: (name: string, data: string) => void): (part: string) => void {
  let rest = "";
  let name = "";
  let data: string[] = [];
  return (part) => {
    const lines = (rest + part).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) give(name || "message", data.join("\n"));
        name = "";
        data = [];
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") name = value;
      else if (field === "data") data.push(value);
    }
  };
}
