/**
 * The widget's headless core: state, connection and outbox under one roof, and everything a member can do. The UI
 * calls these methods and draws `state`; nothing here knows of the DOM but the page's title and visibility.
 */
import type {Status} from "./connection";
import {echo} from "./echo";
import type {Link, LinkEnds} from "./leader";
import {Login, type LoginOptions} from "./login";
import {Outbox, type Outgoing} from "./outbox";
import type {News} from "./news";
import {PAGE, pages, turn, type Pages} from "./pages";
import {apply, empty, enter, learn, merge, partner, whole} from "./store";
import type {Entry, Frame, Hello, Member, Message, Show, Tab} from "./types";

export interface ClientOptions extends LoginOptions {
  link(scope: string, ends: LinkEnds): Link;
}

const TYPING_EVERY_MS = 4_000;

export class Client {
  readonly state = empty();
  readonly outbox: Outbox;
  chats = pages();
  online = pages();
  found: Pages & {query: string} = {...pages(), query: ""};
  onlineCount: number | null = null;
  /** Until when sending waits in a conversation (ms since 1970), as the service asked. */
  readonly slow = new Map<string, number>();
  /** No token, guests are welcome: the page asks for a name first. */
  nameless = false;
  news: (news: News) => void = () => undefined;
  private readonly listeners = new Set<() => void>();
  private readonly typed = new Map<string, number>();
  private readonly asked = new Set<string>();
  /** The tabs that the service was told last. */
  private told: Tab[] = [];
  private link: Link | null = null;
  private readonly login: Login;
  private queued = false;

  constructor(private readonly options: ClientOptions) {
    this.login = new Login(options);
    this.outbox = new Outbox({
      send: (frame) => this.link!.request(frame),
      sent: (item, reply) => this.sent(item, reply),
      failed: (item) => this.news({kind: "failed", conversation: item.conversation, item}),
      slowed: (conversation, until) => this.slow.set(conversation, until),
      changed: () => this.changed(),
    });
    this.state.site = options.config.name;
  }

  /** Calls `listener` after every change, once for all changes of a moment. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed(): void {
    if (this.queued) return;
    this.queued = true;
    queueMicrotask(() => {
      this.queued = false;
      for (const listener of this.listeners) listener();
    });
  }

  // ── the session ──
  async start(): Promise<void> {
    const scope = await this.login.scope();
    if (scope === null) {
      this.nameless = true;
      this.changed();
      return;
    }
    this.nameless = false;
    const name = `${this.options.config.key}.${scope}`;
    this.link = this.options.link(name, {
      credentials: (fresh) => this.login.credentials(fresh),
      event: (frame) => this.event(frame),
      status: (status) => this.status(status),
      hello: (reply, resumed) => this.hello(reply, resumed),
      snapshot: () => this.snapshot(),
      me: () => this.state.me?.id ?? "",
    });
    this.outbox.restore(name);
    this.link.start();
  }

  stop(): void {
    this.link?.stop();
    this.link = null;
  }

  /** A guest's chosen name. */
  join(name: string): void {
    this.login.guest = name;
    void this.start();
  }

  retry(): void {
    this.link?.retry();
  }

  private status(status: Status): void {
    const was = this.state.status.phase;
    this.state.status = status;
    if (status.phase === "signed-out" && this.login.welcome) {
      this.stop();
      this.login.guest = undefined;
      this.nameless = true;
    }
    this.outbox.connected(status.phase === "online");
    if (was === "lost" && status.phase === "online") this.news({kind: "back"});
    this.changed();
  }

  private hello(reply: Hello, resumed: boolean): void {
    const {state} = this;
    state.me = reply.member;
    learn(state, [reply.member]);
    state.skew = reply.time - Date.now();
    Object.assign(state.limits, reply.limits);
    if (reply.presence) [state.show, state.statusText] = [reply.presence.show, reply.presence.status];
    if (reply.site) state.site = reply.site.name;
    if (reply.token) this.login.keep(reply.token);
    if (resumed && this.chats.state === "loaded" && this.online.state === "loaded") return;
    state.tabs = reply.tabs;
    for (const conversation of state.conversations.values()) {
      Object.assign(conversation, {history: "none", messages: [], more: true, unread: 0, rev: conversation.rev + 1});
    }
    this.asked.clear();
    this.chats = pages();
    this.online = pages();
    const ids = new Set([...reply.tabs.map((tab) => tab.conversation), ...Object.keys(reply.unread)]);
    void this.fetchConversations([...ids].slice(0, 100));
    void this.loadChats();
    void this.loadOnline();
    this.call({type: "contacts"}).then((answer) => this.event({...answer, type: "contacts", id: undefined}), () => undefined);
    this.changed();
  }

  private snapshot(): Hello | null {
    const {me, tabs, conversations, limits, show, statusText, site, skew} = this.state;
    if (!me) return null;
    const unread = [...conversations.values()].filter((x) => x.unread).map((x) => [x.id, x.unread] as const);
    return {
      member: me, cursor: "", time: Date.now() + skew, tabs, unread: Object.fromEntries(unread), limits,
      presence: {show, status: statusText}, site: {name: site},
    };
  }

  private event(frame: Frame): void {
    // The answer to its sending may have been lost: what comes back has gone out.
    if (frame.key) this.outbox.discard(frame.key as string);
    const effect = apply(this.state, frame);
    if (effect?.kind === "unknown") void this.fetchConversations([effect.conversation], true);
    if (effect?.kind === "gap") void this.fill(effect.conversation, effect.seq);
    if (effect?.kind === "message") this.arrived(effect.conversation, effect.message, effect.unread);
    if (frame.type === "conversation" && !frame.left) this.list(frame.conversation as string);
    if (frame.type === "conversation" && frame.left) this.chats.ids = this.chats.ids.filter((id) => id !== frame.conversation);
    if (frame.type === "typing") setTimeout(() => this.expire(frame.conversation as string), 6_100);
    this.changed();
  }

  private expire(id: string): void {
    const typing = this.state.conversations.get(id)?.typing;
    for (const [member, until] of typing ?? []) if (until <= Date.now()) typing!.delete(member);
    this.changed();
  }

  private arrived(id: string, message: Message, unread: boolean): void {
    const conversation = this.state.conversations.get(id)!;
    this.list(id);
    if (!unread) return;
    if (!this.state.tabs.some((tab) => tab.conversation === id)) this.setTabs([{conversation: id, state: "minimized"}, ...this.state.tabs], !!this.link?.leading);
    this.news({kind: "message", conversation, message});
  }

  private list(id: string): void {
    if (this.chats.state === "loaded" && !this.chats.ids.includes(id)) this.chats.ids.push(id);
  }

  private async call(frame: Frame): Promise<Frame> {
    const reply = await this.link!.request(frame);
    const event = echo(frame, reply, this.state.me!.id);
    // An answer about tabs that have been set anew meanwhile would bring the old ones back until the next answer.
    if (event && (!frame.tabs || frame.tabs === this.told)) this.event(event);
    return reply;
  }

  // ── conversations ──
  private async fetchConversations(ids: string[], announce = false): Promise<void> {
    const wanted = ids.filter((id) => !this.asked.has(id));
    wanted.forEach((id) => this.asked.add(id));
    if (!wanted.length) return;
    try {
      const {conversations} = await this.call({type: "conversations", ids: wanted});
      for (const entry of conversations as Entry[]) {
        const conversation = enter(this.state, entry);
        const {last} = entry;
        if (announce && last) this.arrived(conversation.id, whole(last), entry.unread > 0);
      }
      this.state.tabs = this.state.tabs.filter((tab) => this.state.conversations.has(tab.conversation) || !wanted.includes(tab.conversation));
    } finally {
      wanted.forEach((id) => this.asked.delete(id));
      this.changed();
    }
  }

  loadChats(): Promise<void> {
    return this.page(this.chats, {type: "conversations"}, (reply) => (reply.conversations as Entry[]).map((entry) => enter(this.state, entry).id));
  }

  loadOnline(): Promise<void> {
    return this.page(this.online, {type: "members", online: true}, this.people);
  }

  /** Asks anew who is online; the list on screen stays until the answer is there. */
  async refreshOnline(): Promise<void> {
    const fresh = pages();
    await this.page(fresh, {type: "members", online: true}, this.people);
    if (fresh.state === "loaded") this.online = fresh;
    this.changed();
  }

  /** Looks for members by name; an empty query lists all. */
  find(query: string, more = false): Promise<void> {
    if (!more) this.found = {...pages(), query};
    return this.page(this.found, {type: "members", query}, this.people);
  }

  private readonly people = (reply: Frame): string[] => {
    const members = reply.members as Member[];
    learn(this.state, members);
    if (typeof reply.online === "number") this.onlineCount = reply.online;
    return members.map((member) => member.id).filter((id) => id !== this.state.me?.id);
  };

  private page(list: Pages, frame: Frame, take: (reply: Frame) => string[]): Promise<void> {
    return turn(list, (page) => this.call({...frame, ...page}), take, () => this.changed());
  }

  async loadHistory(id: string): Promise<void> {
    const conversation = this.state.conversations.get(id);
    if (!conversation || conversation.history === "loading" || !conversation.more) return;
    const was = conversation.history;
    conversation.history = "loading";
    this.changed();
    try {
      const before = conversation.messages[0]?.seq;
      const reply = await this.call({type: "history", conversation: id, limit: PAGE, ...(before ? {before} : {})});
      conversation.history = "loaded";
      conversation.more = !!reply.more;
      merge(conversation, reply.messages as Message[]);
    } catch {
      conversation.history = was === "none" ? "none" : "failed";
      if (this.state.status.phase === "online") conversation.history = "failed";
    }
    this.changed();
  }

  /** What came while a hole was found: the messages before `seq` that this page lacks. */
  private async fill(id: string, seq: number): Promise<void> {
    const conversation = this.state.conversations.get(id)!;
    const newest = conversation.messages.at(-1)?.seq ?? 0;
    const reply = await this.call({type: "history", conversation: id, before: seq + 1, limit: Math.min(100, seq - newest)}).catch(() => null);
    if (!reply) return;
    if (seq - newest > 100) Object.assign(conversation, {messages: [], more: true});
    merge(conversation, reply.messages as Message[]);
    const last = conversation.messages.at(-1);
    if (last) this.arrived(id, last, last.from !== this.state.me?.id && !last.hidden && !last.system);
    this.changed();
  }

  // ── tabs ──
  setTabs(tabs: Tab[], tell = true): void {
    this.state.tabs = tabs.slice(0, this.state.limits.tabs);
    if (tell) this.call({type: "tabs.set", tabs: this.told = this.state.tabs}).catch(() => undefined);
    this.changed();
  }

  /** Opens a conversation's window on all of the member's pages. */
  open(id: string): void {
    const {tabs} = this.state;
    const open: Tab = {conversation: id, state: "open"};
    this.setTabs(tabs.some((tab) => tab.conversation === id)
      ? tabs.map((tab) => (tab.conversation === id ? open : tab)) : [open, ...tabs]);
  }

  minimise(id: string): void {
    this.setTabs(this.state.tabs.map((tab) => (tab.conversation === id ? {conversation: id, state: "minimized"} : tab)));
  }

  close(id: string): void {
    this.setTabs(this.state.tabs.filter((tab) => tab.conversation !== id));
  }

  /** The conversation with a member (made if needed), or a new group; its id, or null where that was refused. */
  async converse(members: string[], name = ""): Promise<string | null> {
    const pair = members.length === 1 && !name
      && [...this.state.conversations.values()].find((x) => partner(this.state, x) === members[0]);
    if (pair) return pair.id;
    try {
      const reply = await this.call({type: "conversation.create", members, ...(name ? {name} : {})});
      const id = reply.conversation as string;
      if (!this.state.conversations.has(id)) await this.fetchConversations([id]);
      return id;
    } catch {
      return null;
    }
  }

  invite(conversation: string, members: string[]): Promise<unknown> {
    return this.call({type: "conversation.invite", conversation, members});
  }

  rename(conversation: string, name: string): Promise<unknown> {
    return this.call({type: "conversation.rename", conversation, name});
  }

  async leave(conversation: string): Promise<void> {
    await this.call({type: "conversation.leave", conversation});
    this.event({type: "conversation", conversation, left: true});
  }

  // ── messages ──
  send(conversation: string, body: string, reply_to?: number): void {
    this.outbox.add(conversation, body, reply_to);
    this.typed.delete(conversation);
  }

  private sent(item: Outgoing, reply: Frame): void {
    const frame: Frame = {type: "message.send", body: item.body, key: item.key, reply_to: item.reply_to};
    this.event(echo(frame, reply, this.state.me!.id)!);
    // Who answers has read what stands above.
    this.seen(item.conversation);
  }

  edit(conversation: string, seq: number, body: string): Promise<unknown> {
    return this.call({type: "message.edit", conversation, seq, body});
  }

  remove(conversation: string, seq: number): Promise<unknown> {
    return this.call({type: "message.delete", conversation, seq});
  }

  react(conversation: string, seq: number, emoji: string, on: boolean): void {
    this.call({type: "message.react", conversation, seq, emoji, on}).catch(() => undefined);
  }

  report(conversation: string, seq: number, reason: string): Promise<unknown> {
    return this.call({type: "report", conversation, seq, reason});
  }

  /** All of a conversation has been seen: the service keeps up to where, of what others wrote. */
  seen(id: string): void {
    const conversation = this.state.conversations.get(id);
    const me = this.state.me?.id;
    if (!conversation || !me || this.state.status.phase !== "online") return;
    const seq = conversation.unread ? conversation.seq : conversation.messages.findLast((message) => message.from !== me)?.seq ?? 0;
    if (seq <= (conversation.read[me]?.seq ?? 0)) return;
    this.call({type: "message.read", conversation: id, seq}).catch(() => undefined);
    this.event({type: "read", conversation: id, member: me, seq});
  }

  /** Something was typed, or (`on` false) taken back. */
  typing(conversation: string, on: boolean): void {
    const last = this.typed.get(conversation) ?? 0;
    if (on ? Date.now() - last < TYPING_EVERY_MS : !last) return;
    if (on) this.typed.set(conversation, Date.now());
    else this.typed.delete(conversation);
    this.link?.tell({type: "typing", conversation, on});
  }

  // ── people ──
  watch(members: string[]): void {
    this.link?.watch(members);
  }

  idle(on: boolean): void {
    this.link?.idle(on);
  }

  setPresence(show: Show, status: string): void {
    this.call({type: "presence.set", show, status}).catch(() => undefined);
  }

  async block(member: string, on: boolean): Promise<void> {
    await this.call({type: on ? "block.add" : "block.remove", member});
    if (on) this.state.blocked.add(member);
    else this.state.blocked.delete(member);
    this.changed();
  }

  /** Profiles of members that only an id is known of. */
  async meet(ids: string[]): Promise<void> {
    const unknown = ids.filter((id) => !this.state.members.has(id) && !this.asked.has(`@${id}`)).slice(0, 100);
    if (!unknown.length) return;
    unknown.forEach((id) => this.asked.add(`@${id}`));
    const reply = await this.call({type: "members", ids: unknown}).catch(() => null);
    if (reply) learn(this.state, reply.members as Member[]);
    this.changed();
  }
}
