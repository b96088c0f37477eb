import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { eventReader, stream } from "./stream";

describe("events", () => {
  const read = (...parts: string[]) => {
    const events: [string, string][] = [];
    const reader = eventReader((name, data) => events.push([name, data]));
    for (const p of parts) reader(p);
    return events;
  };
  it("come whole, however they are cut", () => {
    const text = 'retry: 3000\n\nevent: logins\ndata: [{"seq":1}]\n\n:\n\nevent: gap\ndata: {"skipped":2}\n\n';
    const want = [
      ["logins", '[{"seq":1}]'],
      ["gap", '{"skipped":2}'],
    ];
    expect(read(text)).toEqual(want);
    expect(read(...text)).toEqual(want);
  });
  it("may have several lines, and any line ends", () => {
    expect(read("data: a\r\ndata:b\r\n\r\ndata\r\rx")).toEqual([
      ["message", "a\nb"],
      ["message", ""],
    ]);
  });
  it("without data are none, and what is cut off is not given", () => {
    expect(read("event: logins\n\ndata: half")).toEqual([]);
  });
});

describe("a stream", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const answer = (text: string, status = 200) =>
    new Response(text, { status, headers: { "Content-Type": status === 200 ? "text/event-stream" : "application/problem+json" } });

  it("asks for the reader's language, and again when it ends", async () => {
    const told: string[] = [];
    const send = vi.fn<typeof fetch>(async () => answer("data: 1\n\n"));
    const close = stream(
      "/v1/events/stream",
      { event: (_, data) => told.push(data), opened: () => told.push("opened"), lost: () => told.push("lost") },
      send,
    );
    await vi.advanceTimersByTimeAsync(2900);
    expect(told).toEqual(["opened", "1", "lost"]);
    expect(send.mock.calls[0]?.[1]?.headers).toMatchObject({ "Accept-Language": "en", Accept: "text/event-stream" });
    await vi.advanceTimersByTimeAsync(200);
    expect(told).toEqual(["opened", "1", "lost", "opened", "1", "lost"]);
    close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(send).toHaveBeenCalledTimes(2);
  });

  it("that is refused is tried again, later", async () => {
    const lost = vi.fn();
    const send = vi.fn<typeof fetch>(async () => answer("{}", 401));
    const close = stream("/v1/events/stream", { event: () => undefined, opened: () => expect.unreachable(), lost }, send);
    await vi.advanceTimersByTimeAsync(4900);
    expect([lost.mock.calls.length, send.mock.calls.length]).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(200);
    expect(send).toHaveBeenCalledTimes(2);
    close();
  });
});
