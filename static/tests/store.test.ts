import assert from "node:assert/strict";
import test from "node:test";
import {apply, empty, enter, merge, type Conversation, type State} from "../src/core/store";
import type {Entry, Message} from "../src/core/types";
import {arrange, keep} from "../src/groups";

const me = {id: "me", name: "Maren Whitlock"};
const ann = {id: "ann", name: "Ann"};
const message = (seq: number, from = "ann", more: Partial<Message> = {}): Message => ({seq, from, body: `m${seq}`, time: seq * 1_000, ...more});

function scene(more: Partial<Entry> = {}): {state: State; conversation: Conversation} {
  const state = empty();
  state.me = me;
  const conversation = enter(state, {
    conversation: "c", kind: "pair", name: "", members: [me, ann], last: message(2), unread: 0, read: {}, seq: 2, ...more,
  });
  merge(conversation, [message(1), message(2)]);
  conversation.history = "loaded";
  return {state, conversation};
}

test("a message that comes twice is there once and counted once", () => {
  const {state, conversation} = scene();
  const event = {type: "message", conversation: "c", ...message(3)};
  apply(state, event);
  apply(state, event);
  assert.deepEqual(conversation.messages.map((x) => x.seq), [1, 2, 3]);
  assert.equal(conversation.unread, 1);
});

test("a message that comes while older history loads is kept", () => {
  const {state, conversation} = scene();
  conversation.history = "loading";
  apply(state, {type: "message", conversation: "c", ...message(3)});
  assert.deepEqual(conversation.messages.map((x) => x.seq), [1, 2, 3]);
});

test("a message whose answer comes behind the next one stands before it", () => {
  const {state, conversation} = scene({seq: 2, last: message(2)});
  for (const more of [true, false]) {
    conversation.messages = [message(2)];
    conversation.more = more;
    apply(state, {type: "message", conversation: "c", ...message(1)});
    assert.deepEqual(conversation.messages.map((x) => x.seq), [1, 2]);
  }
});

test("the first message of a conversation that was loaded empty is there, whoever told of it first", () => {
  const {state, conversation} = scene({seq: 1, last: message(1)});
  conversation.messages = [];
  conversation.more = false;
  apply(state, {type: "message", conversation: "c", ...message(1)});
  assert.deepEqual(conversation.messages.map((x) => x.seq), [1]);
});

test("a message far older than what is loaded waits for the history", () => {
  const {state, conversation} = scene({seq: 9, last: message(9)});
  conversation.messages = [message(8), message(9)];
  conversation.more = true;
  apply(state, {type: "message", conversation: "c", ...message(3)});
  assert.deepEqual(conversation.messages.map((x) => x.seq), [8, 9]);
});

test("a hole before a message asks for what is missing", () => {
  const {state, conversation} = scene();
  const effect = apply(state, {type: "message", conversation: "c", ...message(5)});
  assert.deepEqual(effect, {kind: "gap", conversation: "c", seq: 5});
  assert.deepEqual(conversation.messages.map((x) => x.seq), [1, 2]);
});

test("a message of an unknown conversation asks for the conversation", () => {
  const {state} = scene();
  assert.deepEqual(apply(state, {type: "message", conversation: "d", ...message(1)}), {kind: "unknown", conversation: "d"});
});

test("what is told anew of a conversation keeps the messages that are loaded", () => {
  const {state, conversation} = scene();
  const again = enter(state, {conversation: "c", kind: "pair", name: "", members: [me, ann], last: message(2), unread: 0, read: {}, seq: 2});
  assert.equal(again, conversation);
  assert.equal(again.messages.length, 2);
});

test("a reaction is put and taken by each member once", () => {
  const {state, conversation} = scene();
  const react = (from: string, on: boolean): void => void apply(state, {type: "message.reacted", conversation: "c", seq: 1, from, emoji: "👍", on});
  react("ann", true);
  react("ann", true);
  react("me", true);
  assert.deepEqual(conversation.messages[0]!.reactions, {"👍": ["ann", "me"]});
  react("ann", false);
  react("me", false);
  assert.deepEqual(conversation.messages[0]!.reactions, {});
});

test("my reading on another page clears the badge here", () => {
  const {state, conversation} = scene();
  apply(state, {type: "message", conversation: "c", ...message(3, "ann", {body: "hey @maren"})});
  assert.equal(conversation.mention, true);
  apply(state, {type: "read", conversation: "c", member: "me", seq: 3});
  assert.equal(conversation.unread, 0);
  assert.equal(conversation.mention, false);
});

test("an older read mark changes nothing", () => {
  const {state, conversation} = scene();
  apply(state, {type: "read", conversation: "c", member: "ann", seq: 2, time: 9});
  apply(state, {type: "read", conversation: "c", member: "ann", seq: 1, time: 10});
  assert.deepEqual(conversation.read.ann, {seq: 2, time: 9});
});

test("who left a conversation has it no longer, nor its tab", () => {
  const {state} = scene();
  state.tabs = [{conversation: "c", state: "open"}];
  apply(state, {type: "conversation", conversation: "c", left: true});
  assert.equal(state.conversations.size, 0);
  assert.deepEqual(state.tabs, []);
});

test("a deleted message without a body is whole to those who draw it", () => {
  const {conversation} = scene();
  merge(conversation, [{seq: 3, deleted: true} as Message]);
  assert.equal(conversation.messages[2]!.body, "");
});

test("bubbles of one sender within five minutes stand together; a day, a line and a sender part them", () => {
  const {conversation} = scene();
  merge(conversation, [message(3, "me"), message(4, "me", {time: 4_000 + 400_000})]);
  const parts = arrange(conversation, [], "me", true);
  assert.deepEqual(parts.map((part) => (part.kind === "group" ? `${part.from}${part.bubbles.length}` : part.kind)), ["day", "ann2", "me1", "me1"]);
  conversation.fresh = 2;
  assert.deepEqual(arrange(conversation, [], "me", true).map((part) => part.kind), ["day", "group", "new", "group", "group", "group"]);
});

test("the tick stands under the last message of each state only", () => {
  const {conversation} = scene();
  merge(conversation, [message(3, "me"), message(4, "me"), message(5, "me"), message(6, "me")]);
  conversation.read = {ann: {seq: 4, time: 5_000}};
  const bubbles = arrange(conversation, [], "me", true).flatMap((part) => (part.kind === "group" ? part.bubbles : []));
  assert.deepEqual(bubbles.filter((x) => x.tick).map((x) => [x.message.seq, x.delivery]), [[4, "seen"], [6, "sent"]]);
});

test("hidden messages leave no trace in the log", () => {
  const {conversation} = scene();
  merge(conversation, [{seq: 3, hidden: true} as Message]);
  assert.equal(arrange(conversation, [], "me", true).length, 2);
  assert.equal(conversation.last!.seq, 2);
});

test("a message that is there already is not shown as on its way, too", () => {
  const {conversation} = scene();
  merge(conversation, [message(3, "me", {key: "k"})]);
  const item = {key: "k", conversation: "c", body: "m3", time: 3_000, tried: 3_000};
  const bubbles = arrange(conversation, [item], "me", true).flatMap((part) => (part.kind === "group" ? part.bubbles : []));
  assert.deepEqual(bubbles.map((bubble) => bubble.key), ["m1", "m2", "k"]);
});

test("a group that older messages join keeps its key, and no two groups share one", () => {
  const {conversation} = scene();
  const known = new Map<string, string>();
  const keys = (): string[] => {
    const parts = arrange(conversation, [], "me", true);
    keep(parts, known);
    return parts.flatMap((part) => (part.kind === "group" ? [part.key] : []));
  };
  assert.deepEqual(keys(), ["m1"]);
  merge(conversation, [message(0, "ann", {time: 500})]);
  assert.deepEqual(keys(), ["m1"]);
  conversation.fresh = 2;
  assert.deepEqual(keys(), ["m1", "m2"]);
});
