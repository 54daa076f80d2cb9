/** What the menus offer: of a message, of a conversation, of one's own presence. */
import ban from "icon:ban";
import copy from "icon:copy";
import external from "icon:external-link";
import flag from "icon:flag";
import logOut from "icon:log-out";
import pencil from "icon:pencil";
import refresh from "icon:refresh-cw";
import reply from "icon:reply";
import smile from "icon:smile";
import trash from "icon:trash-2";
import userPlus from "icon:user-plus";
import usersIcon from "icon:users";
import {partner, type Conversation} from "../core/store";
import type {Show} from "../core/types";
import {address} from "../format";
import type {Bubble as Model} from "../groups";
import {first, of, useApp, type App, type Item} from "./app";
import {called} from "./message";
import {Avatar, Badge, Dot} from "./parts";
import {h, useRef, type VNode} from "./vdom";
import {inWords, presenceOf, show} from "./window";

export const SHOWS: Show[] = ["online", "chat", "away", "xa", "dnd", "invisible"];

const UNDO_MS = 4_000;

/** Deletes a message after some seconds in which that can be undone. */
export function remove(app: App, conversation: string, seq: number): void {
  const {ui, client, t} = app;
  const key = `${conversation}/${seq}`;
  const end = (): void => {
    clearTimeout(timer);
    removeEventListener("pagehide", now);
    ui.going.delete(key);
    ui.setWin(conversation, {notice: undefined});
  };
  const now = (): void => {
    end();
    client.remove(conversation, seq).catch(() => ui.notify(conversation, {text: t("notDone"), tone: "err"}));
  };
  const timer = setTimeout(now, UNDO_MS);
  addEventListener("pagehide", now);
  ui.going.set(key, now);
  ui.setWin(conversation, {notice: {text: t("deleted"), action: {label: t("undo"), act: end}}});
}

/** What the menu of a message offers. */
function actions(app: App, conversation: Conversation, model: Model): Item[] {
  const {client, ui, t} = app;
  const {message, item} = model;
  const mine = message.from === client.state.me!.id;
  const id = conversation.id;
  const write = (): void => ui.write(id);
  const items: Item[] = [];
  if (item?.failed) items.push({label: t("tryAgain"), icon: refresh, act: () => client.outbox.retry(item.key)});
  items.push({label: t("copy"), icon: copy, act: () => copyText(app, message.body)});
  if (item) {
    if (item.failed) items.push({label: t("delete"), icon: trash, bad: true, apart: true, act: () => client.outbox.discard(item.key)});
    return items;
  }
  items.unshift({label: t("reply"), icon: reply, act: () => { ui.setWin(id, {reply: message, edit: undefined}); write(); }});
  if (mine) {
    items.push({label: t("edit"), icon: pencil, act: () => { ui.setWin(id, {edit: message, reply: undefined}); write(); }});
  } else {
    const author = client.state.members.get(message.from)?.name ?? message.from;
    items.push({label: t("report"), icon: flag, bad: true, apart: true, act: () => { ui.setWin(id, {report: message}); ui.focus(`${of("win", id)} .report input`); }});
    if (!client.state.blocked.has(message.from)) {
      items.push({label: t("block", {name: first(author)}), icon: ban, bad: true, act: () => block(app, message.from, true, id)});
    }
  }
  if (mine || client.state.me!.role === "moderator") {
    items.push({label: t("delete"), icon: trash, bad: true, apart: mine, act: () => remove(app, id, message.seq)});
  }
  return items;
}

/** Blocks or unblocks; there is no question first, the way back is at hand. */
export function block(app: App, member: string, on: boolean, conversation: string): void {
  const {client, ui, t} = app;
  client.block(member, on).then(() => {
    const shown = client.state.conversations.get(conversation);
    if (!on || !shown || partner(client.state, shown) === member) return;
    const name = first(client.state.members.get(member)?.name ?? member);
    ui.notify(conversation, {text: t("youBlocked", {name}), action: {label: t("unblock"), act: () => block(app, member, false, conversation)}}, 10_000);
  }, () => ui.notify(conversation, {text: t("notDone"), tone: "err"}));
}

function copyText({ui, t}: App, text: string): void {
  const done = (): void => ui.say(t("copied"));
  if (navigator.clipboard) {
    navigator.clipboard.writeText(text).then(done, () => undefined);
    return;
  }
  // Plain-http pages have no clipboard but that of a selection.
  const field = document.createElement("textarea");
  field.value = text;
  ui.root.append(field);
  field.select();
  if (document.execCommand("copy")) done();
  field.remove();
}

export function messageMenu(app: App, conversation: Conversation, model: Model, anchor: HTMLElement): void {
  const {client, ui, t} = app;
  const {message, item} = model;
  const items = actions(app, conversation, model);
  if (ui.phone && !item) items.unshift({label: t("react"), icon: smile, act: () => ui.set({menu: {
    anchor, label: t("react"),
    pick: (emoji) => client.react(conversation.id, message.seq, emoji, !message.reactions?.[emoji]?.includes(client.state.me!.id)),
  }})});
  ui.set({menu: {anchor, label: t("actions"), items}});
}

/** What the name in a header, or More on a phone, opens. */
export function aboutMenu(app: App, conversation: Conversation, anchor: HTMLElement): void {
  const {client: {state}, ui, t} = app;
  const id = conversation.id;
  const other = partner(state, conversation);
  const items: Item[] = [];
  const name = called(app, conversation);
  if (other) {
    const member = state.members.get(other);
    const url = member?.url ? address(new URL(member.url, location.href).href) : "";
    if (url) items.push({label: t("profile"), icon: external, act: () => void window.open(url, "_blank", "noopener")});
    items.push({label: t("newGroupWith", {name: first(name)}), icon: userPlus, act: () => { ui.set({view: "new", panel: true, page: null, full: ui.full}); ui.focus(".picker input"); }});
    const blocked = state.blocked.has(other);
    items.push({label: t(blocked ? "unblockName" : "block", {name: first(name)}), icon: ban, bad: !blocked, apart: true, act: () => block(app, other, !blocked, id)});
  } else {
    const view = (next: "members" | "invite" | "rename"): (() => void) => () => {
      ui.setWin(id, {view: next});
      ui.focus(`${of("win", id)} .pane button, ${of("win", id)} .pane input`);
    };
    items.push({label: t("members"), icon: usersIcon, act: view("members")});
    items.push({label: t("addPeople"), icon: userPlus, act: view("invite")});
    items.push({label: t("rename"), icon: pencil, act: view("rename")});
    items.push({label: t("leave"), icon: logOut, bad: true, apart: true, act: () => ui.setWin(id, {notice: {
      text: t("leaveAsk", {name}), tone: "err", action: {label: t("leave"), act: () => { ui.setWin(id, {notice: undefined}); void app.client.leave(id).catch(() => ui.notify(id, {text: t("notDone"), tone: "err"})); }},
    }})});
  }
  const presence = other ? presenceOf(app, other) : null;
  const head = <div class="card"><Avatar id={other ?? id} member={other ? state.members.get(other) : undefined} room={!other} size={48} show={presence?.show}/>
    <div class="sp"><b class="tr"><bdi>{name}</bdi></b><small>{presence ? inWords(app, presence) : t("memberCount", {n: conversation.members.length})}</small>
      {presence?.status && <small dir="auto">{presence.status}</small>}</div></div>;
  ui.set({menu: {anchor, label: name, items, head}});
}

export function presenceMenu(app: App, anchor: HTMLElement): void {
  const {client, ui, t} = app;
  const {show: now, statusText} = client.state;
  ui.set({menu: {anchor, label: t("yourPresence"), items: [
    ...SHOWS.map((choice) => ({label: t(`p_${choice}`), mark: <Dot show={choice}/>, checked: choice === now, act: () => client.setPresence(choice, statusText)})),
    {label: t("setStatus"), icon: pencil, apart: true, act: () => { ui.set({status: true}); ui.focus(".status input"); }},
  ]}});
}

/** The line that one writes of oneself. */
export function Status(): VNode {
  const {client, ui, t} = useApp();
  const field = useRef<HTMLInputElement | null>(null);
  const {state} = client;
  const submit = (event: Event): void => {
    event.preventDefault();
    client.setPresence(state.show, field.current!.value.trim());
    ui.set({status: false});
    ui.focus("[data-me]");
  };
  return <form class="status" onSubmit={submit} onKeyDown={(event) => { if (event.key === "Escape") { event.stopPropagation(); ui.set({status: false}); ui.focus("[data-me]"); } }}>
    <label class="fld"><input ref={field} defaultValue={state.statusText} maxLength={state.limits.status} aria-label={t("status")} placeholder={t("status")}/></label>
    <button class="btn p">{t("save")}</button></form>;
}

/** The conversations whose tabs do not fit. */
export function restMenu(app: App, rest: Conversation[], label: string, anchor: HTMLElement): void {
  const {client: {state}, ui} = app;
  ui.set({menu: {anchor, label, items: rest.map((conversation) => {
    const other = partner(state, conversation);
    return {
      label: called(app, conversation), act: () => show(app, conversation.id), end: <Badge count={conversation.unread} mention={conversation.mention}/>,
      mark: <Avatar id={other ?? conversation.id} member={other ? state.members.get(other) : undefined} room={!other} size={28} show={other ? presenceOf(app, other).show : undefined}/>,
    };
  })}});
}
