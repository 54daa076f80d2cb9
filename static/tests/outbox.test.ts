import assert from "node:assert/strict";
import test from "node:test";
import {Refusal} from "../src/core/connection";
import {Outbox, PATIENCE_MS, type Outgoing} from "../src/core/outbox";
import type {Frame} from "../src/core/types";

interface Ask { frame: Frame; answer(reply: Partial<Frame>): void; refuse(code: string): void }

function made(): {box: Outbox; asks: Ask[]; sent: string[]; failed: string[]; clock: {now: number}} {
  const asks: Ask[] = [];
  const sent: string[] = [];
  const failed: string[] = [];
  const clock = {now: 1_000};
  const box = new Outbox({
    send: (frame) => new Promise((resolve, reject) => asks.push({
      frame, answer: (reply) => resolve({type: "ok", ...reply}), refuse: (code) => reject(new Refusal(code)),
    })),
    sent: (item) => sent.push(item.body),
    failed: (item: Outgoing, code) => failed.push(`${item.body}: ${code}`),
    slowed: () => undefined,
    changed: () => undefined,
  }, () => clock.now);
  return {box, asks, sent, failed, clock};
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

test("messages of a conversation go out one after another, in order", async () => {
  const {box, asks, sent} = made();
  box.connected(true);
  box.add("c", "one");
  box.add("c", "two");
  assert.deepEqual(asks.map((x) => x.frame.body), ["one"]);
  asks[0]!.answer({seq: 1});
  await turn();
  assert.deepEqual(asks.map((x) => x.frame.body), ["one", "two"]);
  asks[1]!.answer({seq: 2});
  await turn();
  assert.deepEqual(sent, ["one", "two"]);
  assert.equal(box.items.length, 0);
});

test("conversations do not wait for each other", () => {
  const {box, asks} = made();
  box.connected(true);
  box.add("c", "one");
  box.add("d", "two");
  assert.equal(asks.length, 2);
});

test("without a connection a message waits, and goes out by itself with the same key", () => {
  const {box, asks} = made();
  const item = box.add("c", "one");
  assert.equal(asks.length, 0);
  box.connected(true);
  assert.equal(asks[0]!.frame.key, item.key);
  box.connected(false);
  clearTimeout((box as unknown as {timer: number}).timer);
});

test("a refused message has failed, stays, and can be tried again with its key", async () => {
  const {box, asks, failed, sent} = made();
  box.connected(true);
  const item = box.add("c", "one");
  asks[0]!.refuse("forbidden");
  await turn();
  assert.deepEqual(failed, ["one: forbidden"]);
  assert.equal(box.items[0]!.failed, true);
  box.retry(item.key);
  assert.equal(asks[1]!.frame.key, item.key);
  asks[1]!.answer({seq: 1});
  await turn();
  assert.deepEqual(sent, ["one"]);
});

test("a failed message does not hold up the next", async () => {
  const {box, asks} = made();
  box.connected(true);
  box.add("c", "one");
  asks[0]!.refuse("forbidden");
  await turn();
  box.add("c", "two");
  assert.equal(asks[1]!.frame.body, "two");
});

test("a message that waited two minutes has failed", () => {
  const {box, clock, failed} = made();
  box.add("c", "one");
  clock.now += PATIENCE_MS - 1;
  box.flush();
  assert.deepEqual(failed, []);
  clock.now += 1;
  box.flush();
  assert.deepEqual(failed, ["one: timeout"]);
});

test("a message that is taken back is not sent", () => {
  const {box, asks} = made();
  const item = box.add("c", "one");
  box.discard(item.key);
  box.connected(true);
  assert.equal(asks.length, 0);
});
