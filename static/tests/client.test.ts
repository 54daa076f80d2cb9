import assert from "node:assert/strict";
import test from "node:test";
import {Client} from "../src/core/client";
import {Refusal, type Status} from "../src/core/connection";
import type {LinkEnds} from "../src/core/leader";
import type {Frame, Hello} from "../src/core/types";

const me = {id: "me", name: "Maren Whitlock"};
const ann = {id: "ann", name: "Ann"};
const hello = {member: me, cursor: "", time: 0, tabs: [], unread: {}, limits: {}} as unknown as Hello;
const online: Status = {phase: "online", since: 0};
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

/** A client whose service answers as `answer` says, after what `wait` gives; null: the connection goes before the answer comes. */
async function made(answer: (frame: Frame) => Frame | null, wait: (frame: Frame) => Promise<void> | undefined = () => undefined): Promise<{client: Client; ends: LinkEnds; asked: Frame[]}> {
  const asked: Frame[] = [];
  let ends: LinkEnds | undefined;
  const nothing = (): void => undefined;
  const client = new Client({
    config: {key: "k", base: "", guests: true, name: "Site"}, token: "t",
    link: (_scope, given) => {
      ends = given;
      return {
        leading: true, tell: nothing, watch: nothing, idle: nothing, retry: nothing, start: nothing, stop: nothing,
        request: async (frame) => {
          asked.push(frame);
          await wait(frame);
          const reply = answer(frame);
          if (!reply) throw new Refusal("lost");
          return reply;
        },
      };
    },
  });
  await client.start();
  return {client, ends: ends!, asked};
}

const lists = (frame: Frame): Frame => ({
  type: "ok", more: false, members: [ann], conversations: frame.type === "conversations" ? [{
    conversation: "c", kind: "pair", name: "", members: [me, ann], unread: 2, read: {}, seq: 2,
    last: {seq: 2, from: "ann", body: "m2", time: 2},
  }] : [],
});

test("lists that were lost with the connection load again when it is back, even resumed", async () => {
  let up = false;
  const {client, ends} = await made((frame) => (up ? lists(frame) : null));
  ends.hello(hello, false);
  await turn();
  assert.deepEqual([client.chats.state, client.online.state], ["failed", "failed"]);
  up = true;
  ends.hello(hello, true);
  await turn();
  assert.deepEqual([client.chats.ids, client.online.ids], [["c"], ["ann"]]);
});

test("a resumed connection loads nothing that is there", async () => {
  const {ends, asked} = await made(lists);
  ends.hello(hello, false);
  await turn();
  const before = asked.length;
  ends.hello(hello, true);
  await turn();
  assert.equal(asked.length, before);
});

test("a message that comes back as an event is no longer on its way", async () => {
  const {client, ends} = await made((frame) => (frame.type === "message.send" ? null : lists(frame)));
  ends.hello(hello, false);
  await turn();
  ends.status(online);
  client.send("c", "Hello");
  await turn();
  const {key} = client.outbox.items[0]!;
  ends.event({type: "message", conversation: "c", seq: 3, from: "me", body: "Hello", time: 3, key});
  assert.deepEqual(client.outbox.items, []);
});

test("who answers has read what stands above the answer", async () => {
  const {client, ends, asked} = await made((frame) => (frame.type === "message.send"
    ? {type: "ok", conversation: "c", seq: 3, time: 3} : frame.type === "history" ? {type: "ok", more: false, messages: [{seq: 2, from: "ann", body: "m2", time: 2}]} : lists(frame)));
  ends.hello(hello, false);
  await turn();
  ends.status(online);
  await client.loadHistory("c");
  client.send("c", "Hello");
  await turn();
  client.send("c", "Hello again");
  await turn();
  assert.deepEqual(asked.filter((frame) => frame.type === "message.read").map((frame) => frame.seq), [2]);
});

test("what was read before an own message is told to the service although nothing is unread here", async () => {
  const {client, ends, asked} = await made((frame) => (frame.type === "history"
    ? {type: "ok", more: false, messages: [{seq: 2, from: "ann", body: "m2", time: 2}]} : lists(frame)));
  ends.hello(hello, false);
  await turn();
  ends.status(online);
  await client.loadHistory("c");
  ends.event({type: "message", conversation: "c", seq: 3, from: "me", body: "From my phone", time: 3});
  client.seen("c");
  client.seen("c");
  assert.deepEqual(asked.filter((frame) => frame.type === "message.read").map((frame) => frame.seq), [2]);
});

test("a window opened again before its minimising is answered stays open", async () => {
  const answers: (() => void)[] = [];
  const {client, ends} = await made(lists, (frame) => (frame.type === "tabs.set" ? new Promise((done) => { answers.push(done); }) : undefined));
  ends.hello(hello, false);
  await turn();
  client.open("c");
  client.minimise("c");
  client.open("c");
  for (const answer of answers) {
    answer();
    await turn();
    assert.deepEqual(client.state.tabs, [{conversation: "c", state: "open"}]);
  }
  assert.equal(answers.length, 3);
});

test("the last answer about tabs counts, whatever another device had set before it", async () => {
  let answer = (): void => undefined;
  const {client, ends} = await made(lists, (frame) => (frame.type === "tabs.set" ? new Promise((done) => { answer = done; }) : undefined));
  ends.hello(hello, false);
  await turn();
  client.open("c");
  ends.event({type: "tabs", tabs: []});
  answer();
  await turn();
  assert.deepEqual(client.state.tabs, [{conversation: "c", state: "open"}]);
});
