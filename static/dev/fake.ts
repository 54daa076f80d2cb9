/** A core without a server, for looking at the widget: it answers requests from a scene held in memory. */
import {Client} from "../src/core/client";
import type {Link, LinkEnds} from "../src/core/leader";
import {Refusal, type Status} from "../src/core/connection";
import type {Config, Entry, Frame, Member, Message, Presence, Show, Tab} from "../src/core/types";

export const config: Config = {
  key: "porchlight", name: "Porchlight", base: location.origin, chat: "", locales: {}, rtl: ["ar"], guests: false,
  accent: "#0b6e8f", theme: "light", side: "end", offset: 0, panel: "open", phone: true, shortcut: "Alt+Shift+C",
};

export interface Scene {
  me: Member;
  show: Show;
  status: string;
  members: Record<string, {name: string; show: Show; status?: string; since?: number}>;
  conversations: Array<{
    id: string; with?: string; name?: string; members?: string[]; unread?: number; seen?: number; typing?: string[];
    messages: Array<Partial<Message> & {from: string}>;
  }>;
  tabs: Tab[];
  blocked?: string[];
}

export class FakeLink implements Link {
  leading = true;
  /** Frames that are never answered. */
  readonly silent = new Set<string>();
  /** Messages that are refused. */
  readonly refused = new Set<string>();
  private readonly log = new Map<string, Message[]>();

  constructor(private readonly scene: Scene, readonly ends: LinkEnds) {
    for (const {id, messages} of scene.conversations) {
      this.log.set(id, messages.map((message, n) => ({seq: n + 1, body: "", time: Date.now() - (messages.length - n) * 60_000, ...message})));
    }
  }

  private member(id: string): Member {
    return id === this.scene.me.id ? this.scene.me : {id, name: this.scene.members[id]?.name ?? id, avatar: null, role: "member"};
  }

  private entry(id: string): Entry {
    const made = this.scene.conversations.find((x) => x.id === id)!;
    const messages = this.log.get(id)!;
    const members = made.with ? [made.with, this.scene.me.id] : made.members!;
    const seq = messages.length;
    const unread = made.unread ?? 0;
    return {
      conversation: id, kind: made.with ? "pair" : "group", name: made.name ?? "", members: members.map((x) => this.member(x)),
      last: messages.at(-1) ?? null, unread, seq,
      read: {[this.scene.me.id]: {seq: seq - unread, time: 0}, ...(made.seen ? Object.fromEntries(members.filter((x) => x !== this.scene.me.id).map((x) => [x, {seq: made.seen!, time: messages[made.seen! - 1]!.time + 60_000}])) : {})},
    };
  }

  presences(ids: string[]): Record<string, Presence> {
    return Object.fromEntries(ids.map((id) => {
      const {show = "offline", status = "", since = 0} = this.scene.members[id] ?? {};
      return [id, {show, status, since}];
    }));
  }

  start(): void {
    const {me, show, status, tabs, conversations} = this.scene;
    this.ends.status({phase: "online", since: Date.now()});
    this.ends.hello({
      member: me, cursor: "0", time: Date.now(), tabs, limits: {}, presence: {show, status}, site: {name: "Porchlight"},
      unread: Object.fromEntries(conversations.filter((x) => x.unread).map((x) => [x.id, x.unread!])),
    }, false);
    setTimeout(() => {
      for (const {id, typing} of conversations) for (const member of typing ?? []) this.ends.event({type: "typing", conversation: id, member, on: true});
    }, 300);
  }

  status(status: Status): void {
    this.ends.status(status);
  }

  stop(): void { /* nothing runs */ }
  tell(): void { /* nobody listens */ }
  idle(): void { /* nobody asks */ }
  retry(): void { /* nothing to reach */ }

  watch(ids: string[]): void {
    this.ends.event({type: "presence", members: this.presences(ids)});
  }

  request(frame: Frame): Promise<Frame> {
    if (this.silent.has(frame.type)) return new Promise(() => undefined);
    const {scene} = this;
    const ok = (reply: Record<string, unknown>): Promise<Frame> => Promise.resolve({type: "ok", ...reply});
    const id = frame.conversation as string;
    switch (frame.type) {
      case "conversations":
        return ok({conversations: scene.conversations.filter((x) => (frame.ids ? (frame.ids as string[]).includes(x.id) : this.log.get(x.id)!.length)).map((x) => this.entry(x.id)), more: false});
      case "history": {
        const all = this.log.get(id)!.filter((x) => !frame.before || x.seq < (frame.before as number));
        return ok({messages: all.slice(-50), more: all.length > 50});
      }
      case "members": {
        const query = String(frame.query ?? "").toLowerCase();
        const ids = Object.keys(scene.members).filter((x) => (frame.ids ? (frame.ids as string[]).includes(x) : frame.online ? scene.members[x]!.show !== "offline" : scene.members[x]!.name.toLowerCase().includes(query)));
        return ok({members: ids.map((x) => this.member(x)), more: false, online: Object.values(scene.members).filter((x) => x.show !== "offline").length});
      }
      case "contacts":
        return ok({contacts: [], blocked: (scene.blocked ?? []).map((x) => this.member(x))});
      case "conversation.create": {
        const members = frame.members as string[];
        const found = scene.conversations.find((x) => members.length === 1 && x.with === members[0]);
        if (found) return ok({conversation: found.id});
        const made = {id: `c${scene.conversations.length}`, messages: [], ...(members.length === 1 ? {with: members[0]!} : {name: String(frame.name ?? ""), members: [scene.me.id, ...members]})};
        scene.conversations.push(made);
        this.log.set(made.id, []);
        return ok({conversation: made.id});
      }
      case "message.send": {
        if (this.refused.has(frame.body as string)) return Promise.reject(new Refusal("forbidden"));
        const {conversation} = frame.to as {conversation: string};
        const messages = this.log.get(conversation)!;
        const message: Message = {seq: messages.length + 1, from: scene.me.id, body: frame.body as string, time: Date.now()};
        messages.push(message);
        return ok({conversation, seq: message.seq, time: message.time});
      }
      default:
        return ok({});
    }
  }
}

/** `before` prepares the link before it is used. */
export function fake(scene: Scene, patch: Partial<Config> = {}, before?: (link: FakeLink) => void): {client: Client; link: () => FakeLink; config: Config} {
  let link: FakeLink | null = null;
  const made = {...config, ...patch};
  const client = new Client({config: made, token: "fake", link: (_scope, ends) => {
    link = new FakeLink(scene, ends);
    before?.(link);
    return link;
  }});
  return {client, link: () => link!, config: made};
}
