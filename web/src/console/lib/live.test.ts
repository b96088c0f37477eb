import { describe, expect, it } from "vitest";
import type { EventView } from "../api/types";
import { LiveBuffer, liveLimit } from "./live";

function login(seq: number): EventView {
  return {
    time: "2026-11-22T22:00:00Z",
    account: "alice",
    application: "vpn",
    client: "fw",
    source: "",
    door: "radius",
    verdict: "accept",
    code: 23,
    outcome: "x",
    label: "X",
    count: 1,
    took_us: 1,
    reference: `R${String(seq)}`,
    seq,
  };
}
const logins = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => login(from + i));

/** A buffer whose frames are drawn by hand. */
function world() {
  let frames: (() => void)[] = [];
  let told = 0;
  const buffer = new LiveBuffer((run) => frames.push(run));
  buffer.subscribe(() => told++);
  return {
    buffer,
    draw: () => {
      const due = frames;
      frames = [];
      for (const f of due) f();
      return due.length;
    },
    told: () => told,
    seqs: () => buffer.snapshot().rows.map((e) => e.seq),
  };
}

describe("LiveBuffer", () => {
  it("tells once a frame, however much arrives", () => {
    const w = world();
    for (let i = 0; i < 125; i++) w.buffer.push(logins(i * 4 + 1, i * 4 + 4)); // 500 in a second
    expect(w.told()).toBe(0);
    expect(w.draw()).toBe(1);
    expect(w.told()).toBe(1);
    expect(w.seqs()).toHaveLength(500);
  });

  it("shows the newest first, each once, in whatever order they come", () => {
    const w = world();
    w.buffer.push([login(3), login(1)]);
    w.buffer.push([login(2), login(3)]);
    w.draw();
    w.buffer.push([login(2), login(4)]);
    w.draw();
    expect(w.seqs()).toEqual([4, 3, 2, 1]);
  });

  it("keeps no more than its limit and says that rows were let go", () => {
    const w = world();
    w.buffer.push(logins(1, liveLimit + 30));
    w.draw();
    expect(w.seqs()).toHaveLength(liveLimit);
    expect(w.seqs()[0]).toBe(liveLimit + 30);
    expect(w.buffer.snapshot().cut).toBe(true);
  });

  it("bounds what a hidden page piles up, where no frame is drawn", () => {
    const w = world();
    for (let i = 0; i < 100; i++) w.buffer.push(logins(i * 200 + 1, i * 200 + 200));
    w.draw();
    expect(w.seqs()).toHaveLength(liveLimit);
    expect(w.seqs()[0]).toBe(20_000);
  });

  it("moves nothing while it is held, counts what waits, and shows it after", () => {
    const w = world();
    w.buffer.push(logins(1, 5));
    w.draw();
    w.buffer.hold(true);
    w.buffer.push(logins(6, 17));
    w.draw();
    expect(w.seqs()).toEqual([5, 4, 3, 2, 1]);
    expect(w.buffer.snapshot().waiting).toBe(12);
    w.buffer.hold(false);
    expect(w.seqs()[0]).toBe(17);
    expect(w.seqs()).toHaveLength(17);
    expect(w.buffer.snapshot().waiting).toBe(0);
  });

  it("loses nothing that arrived between the last frame and the release", () => {
    const w = world();
    w.buffer.hold(true);
    w.buffer.push(logins(1, 3));
    w.buffer.hold(false);
    expect(w.seqs()).toEqual([3, 2, 1]);
    w.draw();
    expect(w.seqs()).toEqual([3, 2, 1]);
  });

  it("adds older pages behind and does not take one for two", () => {
    const w = world();
    w.buffer.replace(logins(10, 12));
    w.buffer.older(logins(7, 10));
    expect(w.seqs()).toEqual([12, 11, 10, 9, 8, 7]);
  });

  it("adds up gaps until the next search", () => {
    const w = world();
    w.buffer.gap(40);
    w.buffer.gap(2);
    w.draw();
    expect(w.buffer.snapshot().skipped).toBe(42);
    w.buffer.replace([]);
    expect(w.buffer.snapshot().skipped).toBe(0);
  });
});
