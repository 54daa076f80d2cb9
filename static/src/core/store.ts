/**
 * What a page knows: members, presence, conversations, tabs. `apply` brings an event in. Every change may come twice
 * (after a resume, and from the page that asked for it) and must then change nothing.
 */
import type {Entry, Frame, Mark, Member, Message, Presence, Show, Tab} from "./types";
import type {Status} from "./connection";

export interface Conversation {
  id: string;
  kind: "pair" | "group";
  name: string;
  members: string[];
  last: Message | null;
  unread: number;
  mention: boolean;
  read: Record<string, Mark>;
  seq: number;
  /** Loaded messages by seq, without a hole between them. */
  messages: Message[];
  more: boolean;
  history: "none" | "loading" | "loaded" | "failed";
  typing: Map<string, number>;
  /** The first message that was unread when the window opened; the "New" line stands before it. */
  fresh: number;
  rev: number;
}

export interface State {
  status: Status;
  me: Member | null;
  show: Show;
  statusText: string;
  site: string;
  limits: {body: number; status: number; watch: number; tabs: number};
  members: Map<string, Member>;
  /** Counts changes of names and faces. */
  profiles: number;
  presence: Map<string, Presence>;
  conversations: Map<string, Conversation>;
  tabs: Tab[];
  blocked: Set<string>;
  /** The server's clock less ours, ms. */
  skew: number;
}

export const OFFLINE: Presence = {show: "offline", status: "", since: 0};
export const TYPING_MS = 6_000;

export function empty(): State {
  return {
    status: {phase: "idle", since: Date.now()}, me: null, show: "online", statusText: "", site: "",
    limits: {body: 10_000, status: 140, watch: 1_000, tabs: 50}, members: new Map(), profiles: 0, presence: new Map(),
    conversations: new Map(), tabs: [], blocked: new Set(), skew: 0,
  };
}

export function learn(state: State, members: Member[]): void {
  for (const member of members) {
    const old = state.members.get(member.id);
    if (old?.name !== member.name || old.avatar !== member.avatar) state.profiles++;
    state.members.set(member.id, {...old, ...member});
  }
}

/** A message with what a deleted, hidden or system one lacks. */
export const whole = (message: Partial<Message> & {seq: number}): Message =>
  ({...message, body: message.body ?? "", from: message.from ?? "", time: message.time ?? 0});

const blank = (): Conversation => ({
  id: "", kind: "pair", name: "", members: [], last: null, unread: 0, mention: false, read: {}, seq: 0, messages: [],
  more: true, history: "none", typing: new Map(), fresh: 0, rev: 0,
});

/** A conversation as the list tells it; loaded messages are kept. */
export function enter(state: State, entry: Entry): Conversation {
  learn(state, entry.members);
  // The same object for as long as the page lives: what loads meanwhile is put into it.
  const conversation = state.conversations.get(entry.conversation) ?? blank();
  Object.assign(conversation, {
    id: entry.conversation, kind: entry.kind, name: entry.name ?? "", members: entry.members.map((member) => member.id),
    last: entry.last && whole(entry.last), unread: entry.unread, read: entry.read ?? {}, seq: Math.max(entry.seq ?? 0, conversation.seq),
  });
  if (!conversation.unread) conversation.mention = false;
  conversation.rev++;
  state.conversations.set(conversation.id, conversation);
  return conversation;
}

/** Puts messages in by seq: older ones before, newer ones after; one that is there already is replaced. */
export function merge(conversation: Conversation, messages: Array<Partial<Message> & {seq: number}>): void {
  const all = new Map(conversation.messages.map((message) => [message.seq, message]));
  for (const message of messages) all.set(message.seq, whole(message));
  conversation.messages = [...all.values()].sort((a, b) => a.seq - b.seq);
  const newest = conversation.messages.at(-1);
  if (newest && newest.seq >= conversation.seq) {
    conversation.seq = newest.seq;
    if (!newest.hidden) conversation.last = newest;
  }
  conversation.rev++;
}

/** The first seq that is missing before `seq`, or 0 where none is. */
export function gap(conversation: Conversation, seq: number): number {
  const newest = conversation.messages.at(-1)?.seq ?? 0;
  return newest && seq > newest + 1 ? newest + 1 : 0;
}

/** Whether `body` names the member: `@` and their name, or its first word. */
export function mentions(body: string, name: string): boolean {
  const text = body.toLowerCase();
  return [name, name.split(" ")[0]!].some((part) => {
    const at = text.indexOf(`@${part.toLowerCase()}`);
    return part !== "" && at >= 0 && !/[\p{L}\p{N}]/u.test(text.charAt(at + part.length + 1));
  });
}

function change(conversation: Conversation, seq: unknown, how: (message: Message) => Message): void {
  const old = conversation.messages.find((message) => message.seq === seq);
  if (old) {
    const fresh = how(old);
    conversation.messages = conversation.messages.map((message) => (message === old ? fresh : message));
    if (conversation.last?.seq === seq) conversation.last = fresh;
  } else if (conversation.last?.seq === seq) {
    conversation.last = how(conversation.last!);
  }
  conversation.rev++;
}

function react(reactions: Record<string, string[]>, emoji: string, member: string, on: boolean): Record<string, string[]> {
  const others = (reactions[emoji] ?? []).filter((id) => id !== member);
  const {[emoji]: _, ...rest} = reactions;
  const now = on ? [...others, member] : others;
  return now.length ? {...reactions, [emoji]: now} : rest;
}

export type Effect =
  | {kind: "unknown"; conversation: string}
  | {kind: "gap"; conversation: string; seq: number}
  | {kind: "message"; conversation: string; message: Message; unread: boolean};

/** Brings an event in. What it asks for beyond the state is returned. */
export function apply(state: State, event: Frame, now = Date.now()): Effect | null {
  const me = state.me?.id ?? "";
  if (event.type === "presence") {
    for (const [id, presence] of Object.entries(event.members as Record<string, Presence>)) {
      state.presence.set(id, presence);
      if (id === me && presence.show !== "offline") {
        state.show = presence.show;
        state.statusText = presence.status;
      }
    }
    return null;
  }
  if (event.type === "tabs") {
    state.tabs = event.tabs as Tab[];
    return null;
  }
  if (event.type === "contacts") {
    const blocked = (event.blocked ?? []) as Member[];
    state.blocked = new Set(blocked.map((member) => member.id));
    learn(state, blocked);
    return null;
  }
  const id = event.conversation as string | undefined;
  if (!id) return null;
  if (event.type === "conversation") {
    if (event.left) {
      state.conversations.delete(id);
      state.tabs = state.tabs.filter((tab) => tab.conversation !== id);
    } else enter(state, event as unknown as Entry);
    return null;
  }
  const conversation = state.conversations.get(id);
  if (!conversation) return event.type === "message" ? {kind: "unknown", conversation: id} : null;
  switch (event.type) {
    case "message": {
      const {type: _type, conversation: _conversation, cursor: _cursor, ...rest} = event;
      const message = whole(rest as unknown as Message);
      const known = message.seq <= conversation.seq;
      const missing = gap(conversation, message.seq);
      conversation.typing.delete(message.from);
      // One that is known may come late (an answer behind an event); one far older than what is loaded would leave a hole.
      if (!missing && (!known || !conversation.more || (conversation.messages[0]?.seq ?? Infinity) <= message.seq + 1)) merge(conversation, [message]);
      if (known) return null;
      conversation.seq = message.seq;
      conversation.last = message;
      const unread = message.from !== me && !message.system && !message.hidden;
      if (unread) {
        conversation.unread++;
        if (mentions(message.body ?? "", state.me?.name ?? "")) conversation.mention = true;
      } else if (message.from === me) {
        conversation.unread = 0;
        conversation.mention = false;
      }
      conversation.rev++;
      return missing ? {kind: "gap", conversation: id, seq: message.seq} : {kind: "message", conversation: id, message, unread};
    }
    case "message.edited":
      change(conversation, event.seq, (message) => ({...message, body: event.body as string, edited: event.edited as number}));
      break;
    case "message.deleted":
      change(conversation, event.seq, (message) => ({...message, body: "", deleted: true, reactions: undefined}));
      break;
    case "message.reacted":
      change(conversation, event.seq, (message) => ({
        ...message, reactions: react(message.reactions ?? {}, event.emoji as string, event.from as string, !!event.on),
      }));
      break;
    case "read": {
      const member = event.member as string;
      const seq = event.seq as number;
      if (seq <= (conversation.read[member]?.seq ?? 0)) break;
      conversation.read = {...conversation.read, [member]: {seq, time: (event.time as number) ?? now}};
      if (member === me) {
        conversation.unread = seq >= conversation.seq ? 0
          : conversation.messages.filter((x) => x.seq > seq && x.from !== me && !x.system && !x.hidden).length;
        if (!conversation.unread) conversation.mention = false;
      }
      conversation.rev++;
      break;
    }
    case "typing":
      if (event.member === me) break;
      if (event.on) conversation.typing.set(event.member as string, now + TYPING_MS);
      else conversation.typing.delete(event.member as string);
      break;
  }
  return null;
}

/** The other member of a conversation of two; undefined in a group. */
export function partner(state: State, conversation: Conversation): string | undefined {
  return conversation.kind === "pair" ? conversation.members.find((id) => id !== state.me?.id) : undefined;
}

export function title(state: State, conversation: Conversation): string {
  const other = partner(state, conversation);
  if (other) return state.members.get(other)?.name ?? other;
  return conversation.name || conversation.members.filter((id) => id !== state.me?.id)
    .map((id) => (state.members.get(id)?.name ?? id).split(" ")[0]).slice(0, 4).join(", ");
}
