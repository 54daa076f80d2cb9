/**
 * The log of a conversation. It promises: at the bottom it stays at the bottom; while older messages are read nothing
 * moves, whatever comes; history loads before its top is reached.
 */
import {h, useEffect, useRedraw, useRef, type Ref, type VNode} from "./vdom";
import arrowDown from "icon:arrow-down";
import checkIcon from "icon:check";
import checks from "icon:check-check";
import alert from "icon:circle-alert";
import clock from "icon:clock-3";
import leaveIcon from "icon:log-out";
import loader from "icon:loader-circle";
import message from "icon:message-circle";
import userPlus from "icon:user-plus";
import {partner, type Conversation} from "../core/store";
import {arrange, keep, type Bubble as Model, type Part} from "../groups";
import {first, useApp, type App} from "./app";
import {Bubble, called} from "./message";
import {Avatar, Empty, Icon} from "./parts";

interface Props { conversation: Conversation; watching: boolean }
interface Anchor { element: HTMLElement; offset: number }

const NEAR = 48;
const AHEAD = 600;

export function Log({conversation, watching}: Props): VNode {
  const app = useApp();
  const redraw = useRedraw();
  const held = useRef<Reading | null>(null);
  const reading = held.current ??= new Reading(app, conversation, redraw);
  reading.watching = watching;
  const anchor = reading.anchor();
  useEffect(() => reading.mounted(), []);
  useEffect(() => reading.drawn(anchor));
  return reading.draw();
}

/** One log being read: where it stands, and what it shows. */
class Reading {
  watching = false;
  private current = "";
  private bottom = true;
  private top = 0;
  private readonly box: Ref<HTMLDivElement | null> = {current: null};
  private parts: Part[] = [];
  private signature = "";
  private placed = false;
  private readonly shown = new Set<string>();
  private newest = 0;
  private readonly groups = new Map<string, string>();
  /** What the drawn parts depend on, and they: the same elements are given again while nothing of it changes. */
  private reasons: unknown[] = [];
  private body: VNode[] = [];

  constructor(private readonly app: App, private readonly conversation: Conversation, private readonly redraw: () => void) {}

  /** Begins to look after its size; what it returns ends that. */
  mounted(): () => void {
    const box = this.box.current!;
    // Whatever changes height (a picture, a keyboard, a longer composer), the bottom stays the bottom.
    const observer = new ResizeObserver(() => { if (this.follows(box)) this.toBottom(box); });
    observer.observe(box);
    return () => observer.disconnect();
  }

  /** The first message in view, and where: it must not move by what is drawn next. */
  anchor(): Anchor | null {
    const box = this.box.current;
    if (!box || this.follows(box)) return null;
    const top = box.getBoundingClientRect().top;
    const element = [...box.querySelectorAll<HTMLElement>(".m, .sys")].find((x) => x.getBoundingClientRect().bottom > top);
    return element ? {element, offset: element.getBoundingClientRect().top} : null;
  }

  drawn(anchor: Anchor | null): void {
    const {conversation, app: {client}} = this;
    if (conversation.history === "none" && client.state.status.phase === "online") void client.loadHistory(conversation.id);
    const box = this.box.current!;
    if (!this.placed) this.place();
    else if (this.bottom) this.toBottom(box);
    else if (anchor?.element.isConnected) box.scrollTop += anchor.element.getBoundingClientRect().top - anchor.offset;
    this.after();
  }

  /** Where the reader starts: at the "New" line if it is above the fold, else at the bottom. */
  private place(): void {
    const box = this.box.current!;
    if (this.conversation.history !== "loaded") return;
    this.placed = true;
    this.toBottom(box);
    const line = box.querySelector<HTMLElement>(".new");
    if (line && line.offsetTop < box.scrollTop) box.scrollTop = line.offsetTop - 12;
    this.scrolled();
  }

  /** Whether it stays at the bottom. A scroll counts from when it was made: the page may be told of it later. */
  private follows(box: HTMLElement): boolean {
    if (box.scrollTop !== this.top) this.bottom = box.scrollHeight - (this.top = box.scrollTop) - box.clientHeight < NEAR;
    return this.bottom;
  }

  private toBottom(box: HTMLElement): void {
    box.scrollTop = box.scrollHeight;
    this.top = box.scrollTop;
  }

  private after(): void {
    const {conversation, app, watching} = this;
    const box = this.box.current!;
    for (const part of this.parts) if (part.kind === "group") part.bubbles.forEach((bubble) => this.shown.add(bubble.key));
    this.newest = conversation.messages.at(-1)?.seq ?? 0;
    if (conversation.history === "loaded" && conversation.more && box.scrollTop < AHEAD) void app.client.loadHistory(conversation.id);
    if (watching && this.bottom && this.placed && !document.hidden && document.hasFocus()) app.client.seen(conversation.id);
  }

  private readonly scrolled = (): void => {
    const box = this.box.current;
    // A window that has just been minimised still hears of its scrolling.
    if (!box) return;
    const was = this.bottom;
    if (this.follows(box) !== was) this.redraw();
    else this.after();
  };

  private readonly reveal = (seq: number): void => {
    const target = this.box.current!.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
    target?.scrollIntoView({block: "center"});
    this.scrolled();
    target?.focus();
  };

  private readonly toNew = (): void => {
    const box = this.box.current!;
    const line = box.querySelector<HTMLElement>(".new");
    box.scrollTop = line && line.offsetTop > box.scrollTop ? line.offsetTop - 12 : box.scrollHeight;
    this.scrolled();
  };

  private readonly keys = (event: KeyboardEvent): void => {
    const stops = [...this.box.current!.querySelectorAll<HTMLElement>(".m")];
    const at = stops.findIndex((stop) => stop === event.target);
    if (at < 0 || event.altKey) return;
    const to = {ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: stops.length - 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    stops[Math.max(0, Math.min(to, stops.length - 1))]?.focus();
    if (event.key === "End") this.toNew();
    else this.scrolled();
  };

  private readonly focused = (event: FocusEvent): void => {
    const key = (event.target as HTMLElement).closest<HTMLElement>("[data-key]")?.dataset.key;
    if (!key || key === this.current) return;
    this.current = key;
    this.redraw();
  };

  draw(): VNode {
    const {conversation, app} = this;
    const {client, t, ui} = app;
    const {state} = client;
    const outgoing = client.outbox.of(conversation.id);
    const online = state.status.phase === "online";
    // Where the unread messages begin is known once they are loaded; with more of them than that, the read mark tells.
    if (!this.placed && conversation.history === "loaded" && conversation.unread) {
      conversation.fresh = conversation.messages.filter((x) => x.from !== state.me!.id && !x.system && !x.hidden).at(-conversation.unread)?.seq
        ?? (conversation.read[state.me!.id]?.seq ?? 0) + 1;
    }
    const signature = [conversation.rev, conversation.fresh, online, outgoing.map((x) => x.key + String(x.failed)).join()].join("|");
    if (signature !== this.signature) {
      this.signature = signature;
      this.parts = arrange(conversation, outgoing, state.me!.id, online);
      keep(this.parts, this.groups);
      const newest = this.parts.at(-1);
      if (outgoing.length && newest?.kind === "group" && newest.mine && !this.shown.has(newest.bubbles.at(-1)!.key)) this.bottom = true;
    }
    const parts = this.parts;
    const below = this.bottom ? 0 : conversation.unread;
    const reasons = [signature, this.current, this.placed, state.profiles, ui.menu, [...ui.going.keys()].join()];
    if (reasons.some((reason, n) => reason !== this.reasons[n])) {
      this.reasons = reasons;
      const keys = parts.flatMap((part) => (part.kind === "group" ? part.bubbles.map((bubble) => bubble.key) : []));
      const current = keys.includes(this.current) ? this.current : keys.at(-1);
      void client.meet([...new Set(conversation.messages.map((message) => message.from))].filter(Boolean));
      const names = conversation.members.map((id) => state.members.get(id)?.name ?? id);
      this.body = parts.map((part) => this.part(part, current, names));
    }
    const loading = !parts.length && conversation.history !== "loaded";
    return <div class="logw">
      <div ref={this.box} class="log" role="log" aria-live="off" aria-label={t("logLabel", {name: called(app, conversation)})}
        onScroll={this.scrolled} onKeyDown={this.keys} onFocusCapture={this.focused}>
        {loading ? (conversation.history === "failed" ? null : <div class="skl late" aria-hidden="true"><span class="sk"/><span class="sk"/><span class="sk"/><span class="sk"/></div>)
          : conversation.more ? <div class="older" key="older">{conversation.history === "loading" && <Icon d={loader} c="s16 spin"/>}</div> : null}
        {conversation.history === "failed" && <div class="older" key="failed"><span>{t("historyFailed")} <button type="button" class="lk" onClick={() => void client.loadHistory(conversation.id)}>{t("tryAgain")}</button></span></div>}
        {!parts.length && conversation.history === "loaded" && !state.blocked.has(partner(state, conversation) ?? "") && this.blank()}
        {this.body}
      </div>
      {below > 0 && <button type="button" class="pill" onClick={this.toNew}><Icon d={arrowDown} c="s16"/>{t("newMessages", {n: below})}</button>}
    </div>;
  }

  private blank(): VNode {
    const {conversation, app: {client, t}} = this;
    const name = first(called(this.app, conversation));
    return conversation.kind === "pair"
      ? <Empty icon={message} head={t("sayHello", {name})} text={t("sayHelloHelp")}>
        <button type="button" class="btn q sm" onClick={() => client.send(conversation.id, "👋")}>{t("wave")}</button></Empty>
      : <Empty icon={message} head={called(this.app, conversation)} text={t("emptyGroup")}/>;
  }

  private part(part: Part, current: string | undefined, names: string[]): VNode {
    const {app, conversation} = this;
    const {client, t} = app;
    const member = (id: string | undefined): string => (id === client.state.me!.id ? client.state.me!.name : client.state.members.get(id ?? "")?.name ?? id ?? "");
    if (part.kind === "day") return <div class="day" key={part.key}>{app.day(part.time)}</div>;
    if (part.kind === "new") return <div class="new" key="new">{t("new")}</div>;
    if (part.kind === "system") {
      const {kind, member: who, by} = part.message.system!;
      const key = kind === "left" ? "sysLeft" : by && by !== who ? "sysAdded" : "sysJoined";
      const values = {name: first(member(who)), by: first(member(by))};
      return <div class="sys" key={part.key}><Icon d={kind === "left" ? leaveIcon : userPlus} c="s14"/>{t(key, values)}</div>;
    }
    const group = conversation.kind === "group";
    const last = part.bubbles.at(-1)!;
    const rx = Object.keys(last.message.reactions ?? {}).length > 0 ? "rxd" : "";
    return <div class={`g ${part.mine ? "me" : group ? "withav" : ""} ${rx}`} key={part.key}>
      {!part.mine && group && <Avatar id={part.from} member={client.state.members.get(part.from)} size={28}/>}
      <div class="col">
        {!part.mine && group && <div class="by"><bdi>{first(member(part.from))}</bdi><time class="num">{app.clock(part.bubbles[0]!.message.time)}</time></div>}
        {part.bubbles.map((bubble, n) => <div class="m-w" key={bubble.key} data-key={bubble.key}>
          <Bubble conversation={conversation} model={bubble} head={!n} author={part.mine ? t("you") : first(member(part.from))}
            current={bubble.key === current} names={names} reveal={this.reveal} fresh={this.placed && !this.shown.has(bubble.key) && (!bubble.message.seq || bubble.message.seq > this.newest)}/>
          {this.below(part, bubble, n === part.bubbles.length - 1, group)}
        </div>)}
      </div>
    </div>;
  }

  /** What stands under a bubble: state and time of mine, the time of theirs, "edited". */
  private below(part: Part & {kind: "group"}, bubble: Model, last: boolean, group: boolean): VNode | null {
    const {app, conversation} = this;
    const {t, client} = app;
    const {message, delivery, item} = bubble;
    const time = app.clock(message.time);
    const edited = message.edited && !message.deleted ? t("editedAt", {time: app.clock(message.edited)}) : "";
    if (delivery === "failed") return <div class="meta err"><Icon d={alert} c="s14"/>{t("notSent")} · <button type="button" class="lk" onClick={() => client.outbox.retry(item!.key)}>{t("tryAgain")}</button></div>;
    if (bubble.tick) {
      const seen = group && conversation.members.length > 2 ? t("seenBy", {n: bubble.seenBy, time}) : t("seen", {time: app.clock(bubble.seenAt)});
      const text = {seen, sent: time, sending: t("sending"), waiting: t("waiting"), failed: ""}[delivery!];
      const icon = {seen: checks, sent: checkIcon, sending: clock, waiting: clock, failed: ""}[delivery!];
      return <div class={`meta ${delivery}`}>{edited && <span>{edited} · </span>}<span class="num">{text}</span>
        <Icon d={icon} c="s14"/>{delivery === "sent" && <span class="vh">{t("sent")}</span>}</div>;
    }
    if (edited) return <div class="meta" title={app.exact(message.edited!)}>{edited}</div>;
    return last && !part.mine && !group ? <div class="meta num">{time}</div> : null;
  }
}
