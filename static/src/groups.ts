/** How a log is read: messages of one sender that belong together, days, and what stands under my own. */
import type {Outgoing} from "./core/outbox";
import type {Conversation} from "./core/store";
import type {Message} from "./core/types";
import {midnight} from "./i18n";

export type Delivery = "sending" | "waiting" | "failed" | "sent" | "seen";

export interface Bubble {
  key: string;
  message: Message;
  item?: Outgoing;
  /** Of my own: how far it has come. */
  delivery?: Delivery;
  /** Of mine: who has seen it, and when the last of them did. */
  seenBy: number;
  seenAt: number;
  /** The last of mine in its state: the tick stands here. */
  tick?: boolean;
}

export type Part =
  | {kind: "day"; key: string; time: number}
  | {kind: "new"; key: string}
  | {kind: "system"; key: string; message: Message}
  | {kind: "group"; key: string; from: string; mine: boolean; bubbles: Bubble[]};

const TOGETHER_MS = 5 * 60_000;

/**
 * Keeps the key of a group while older messages join it, or some of it goes elsewhere: its elements stay, and the focus
 * in them. `known`: the group's key by the key of each message.
 */
export function keep(parts: Part[], known: Map<string, string>): void {
  const used = new Set<string>();
  for (const part of parts) {
    if (part.kind !== "group") continue;
    part.key = part.bubbles.map(({key}) => known.get(key)).find((key) => key && !used.has(key)) ?? part.key;
    used.add(part.key);
    for (const {key} of part.bubbles) known.set(key, part.key);
  }
}

/** Arranges what is loaded and what is on its way. Hidden messages (of someone I blocked) are left out. */
export function arrange(conversation: Conversation, outgoing: readonly Outgoing[], me: string, online: boolean): Part[] {
  const parts: Part[] = [];
  const marks = Object.entries(conversation.read).filter(([id]) => id !== me && conversation.members.includes(id)).map(([, mark]) => mark);
  let day = -1;
  let group: (Part & {kind: "group"}) | null = null;
  let last = 0;
  const ticks = new Map<Delivery, Bubble>();

  const put = (bubble: Bubble): void => {
    const {message} = bubble;
    if (midnight(message.time) !== day) {
      day = midnight(message.time);
      parts.push({kind: "day", key: `d${day}`, time: message.time});
      group = null;
    }
    if (conversation.fresh && message.seq === conversation.fresh) {
      parts.push({kind: "new", key: "new"});
      group = null;
    }
    if (message.system) {
      parts.push({kind: "system", key: bubble.key, message});
      group = null;
      return;
    }
    const mine = message.from === me;
    // Each state of mine ends its group: its tick stands below it.
    const same: boolean = group !== null && group.from === message.from && message.time - last <= TOGETHER_MS
      && (!mine || (group.bubbles.at(-1)!.delivery === bubble.delivery && bubble.delivery !== "failed"));
    if (!same) {
      group = {kind: "group", key: bubble.key, from: message.from, mine, bubbles: []};
      parts.push(group);
    }
    group!.bubbles.push(bubble);
    last = message.time;
    if (bubble.delivery) {
      if (bubble.delivery === "failed") bubble.tick = true;
      else ticks.set(bubble.delivery, bubble);
    }
  };

  for (const message of conversation.messages) {
    if (message.hidden) continue;
    const seen = message.from === me ? marks.filter((mark) => mark.seq >= message.seq) : [];
    put({
      key: message.key ?? `m${message.seq}`, message, seenBy: seen.length, seenAt: seen.length ? Math.min(...seen.map((mark) => mark.time)) : 0,
      delivery: message.from === me ? (seen.length ? "seen" : "sent") : undefined,
    });
  }
  for (const item of outgoing) {
    const {body, time, reply_to, key} = item;
    if (conversation.messages.some((message) => message.key === key)) continue;
    put({
      key, item, message: {seq: 0, from: me, body, time, reply_to}, seenBy: 0, seenAt: 0,
      delivery: item.failed ? "failed" : online ? "sending" : "waiting",
    });
  }
  for (const bubble of ticks.values()) bubble.tick = true;
  return parts;
}
