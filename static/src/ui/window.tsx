/** A conversation's window: header, notices, log (or the members of a group), typing line, composer. */
import {h, type VNode} from "preact";
import {useEffect, useRef} from "preact/hooks";
import arrowLeft from "icon:arrow-left";
import banIcon from "icon:ban";
import dots from "icon:ellipsis-vertical";
import external from "icon:external-link";
import logOut from "icon:log-out";
import minus from "icon:minus";
import pencil from "icon:pencil";
import userPlus from "icon:user-plus";
import usersIcon from "icon:users";
import x from "icon:x";
import {OFFLINE, partner, type Conversation} from "../core/store";
import type {Presence} from "../core/types";
import {address} from "../format";
import {first, of, useApp, type App, type Item} from "./app";
import {Composer, Report} from "./composer";
import {Log} from "./log";
import {block, called} from "./message";
import {Connection, plight} from "./notes";
import {Avatar, Dot, Icon, IconButton} from "./parts";
import {Picker} from "./picker";

export const presenceOf = (app: App, id: string): Presence => app.client.state.presence.get(id) ?? OFFLINE;

/** Presence in words, with when someone was last seen. */
export function inWords(app: App, presence: Presence): string {
  const {show, since} = presence;
  return show === "offline" && since ? app.t("seenAgo", {ago: app.ago(since)}) : app.t(`p_${show}`);
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
    if (url) items.push({label: t("profile"), icon: external, act: () => void open(url, "_blank", "noopener")});
    items.push({label: t("newGroupWith", {name: first(name)}), icon: userPlus, act: () => { ui.set({view: "new", panel: true, page: null, full: ui.full}); ui.focus(".picker input"); }});
    const blocked = state.blocked.has(other);
    items.push({label: t(blocked ? "unblockName" : "block", {name: first(name)}), icon: banIcon, bad: !blocked, apart: true, act: () => block(app, other, !blocked, id)});
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

function typingLine(app: App, conversation: Conversation): string {
  const now = Date.now();
  const names = [...conversation.typing].filter(([, until]) => until > now)
    .map(([id]) => first(app.client.state.members.get(id)?.name ?? id));
  if (!names.length) return "";
  return names.length > 2 ? app.t("typingMany") : app.t(names.length > 1 ? "typingTwo" : "typingOne", {a: names[0]!, b: names[1] ?? ""});
}

export function Window({conversation}: {conversation: Conversation}): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const {state} = client;
  const id = conversation.id;
  const win = ui.win(id);
  const other = partner(state, conversation);
  const name = called(app, conversation);
  const presence = other ? presenceOf(app, other) : null;
  const blocked = !!other && state.blocked.has(other);
  const active = ui.active === id;
  const menu = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    // A window that opens with unread messages marks where they begin; the line stays until it is closed.
    if (conversation.unread && !conversation.fresh) {
      const seen = conversation.read[state.me!.id]?.seq ?? 0;
      conversation.fresh = conversation.messages.find((message) => message.seq > seen && message.from !== state.me!.id && !message.hidden)?.seq ?? seen + 1;
      client.changed();
    }
    return () => { conversation.fresh = 0; };
  }, [conversation.id]);

  const minimise = (): void => {
    if (ui.phone) history.back();
    else {
      client.minimise(id);
      ui.activate(null);
      ui.focus(of("tab", id));
    }
  };
  const close = (): void => {
    const tabs = state.tabs.filter((tab) => tab.state === "open" && tab.conversation !== id);
    client.close(id);
    ui.activate(tabs[0]?.conversation ?? null);
    ui.focus(tabs[0] ? `${of("win", tabs[0].conversation)} textarea` : "[data-opener]");
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.stopPropagation();
      if (win.view !== "log") {
        ui.setWin(id, {view: "log"});
        ui.focus(`${of("win", id)} textarea`);
      } else minimise();
    }
  };
  const second = blocked ? t("blocked") : presence ? inWords(app, presence)
    : t("membersOnline", {n: conversation.members.length, online: app.number(conversation.members.filter((m) => m === state.me!.id ? state.show !== "invisible" : !["offline", "invisible"].includes(presenceOf(app, m).show)).length)});
  const typing = typingLine(app, conversation);
  const state2 = plight(app);
  const {notice} = win;
  const back = (): void => { ui.setWin(id, {view: "log"}); ui.focus(`${of("win", id)} textarea`); };
  return <section class={`win ${active ? "active" : ""}`} role="dialog" aria-modal="false" aria-labelledby={`t-${id}`} id={`w-${id}`} data-win={id}
    onKeyDown={keys} onFocusCapture={() => ui.activate(id)} onPointerDown={() => ui.activate(id)}>
    <header class="wh" onClick={(event) => { if (!ui.phone && !(event.target as HTMLElement).closest("button")) minimise(); }}>
      {ui.phone && <IconButton icon={arrowLeft} i="flip s22" label={t("goBack")} onClick={minimise}/>}
      <Avatar id={other ?? id} member={other ? state.members.get(other) : undefined} room={!other} size={ui.phone ? 40 : 32} show={presence?.show}/>
      <div class="who"><button type="button" ref={menu} class="nm" id={`t-${id}`} aria-haspopup="menu" aria-expanded={ui.menu?.anchor === menu.current && !!ui.menu}
        onClick={(event) => aboutMenu(app, conversation, event.currentTarget)}><bdi class="tr">{name}</bdi></button>
        <span class="st tr">{second}</span></div>
      <div class="acts">
        {!other && !ui.phone && <IconButton icon={usersIcon} label={t("members")} onClick={() => ui.setWin(id, {view: win.view === "log" ? "members" : "log"})}/>}
        {ui.phone ? <IconButton icon={dots} label={t("more")} expanded={!!ui.menu && !!ui.menu.head} onClick={(event) => aboutMenu(app, conversation, event.currentTarget as HTMLElement)}/>
          : <IconButton icon={minus} label={t("minimise")} onClick={minimise}/>}
        {!ui.phone && <IconButton icon={x} label={t("close")} onClick={close}/>}
      </div>
    </header>
    {state2 ? <Connection/> : notice ? <div class={`note ${notice.tone ?? ""}`} role="status"><span class="sp">{notice.text}</span>
      {notice.action && <button type="button" class="lk" onClick={notice.action.act}>{notice.action.label}</button>}
      {notice.action && <IconButton icon={x} i="s14" c="sm" label={t("close")} onClick={() => ui.setWin(id, {notice: undefined})}/>}</div>
      : presence?.show === "dnd" && !blocked ? <div class="note"><Dot show="dnd"/><span>{t("dndNote", {name: first(name)})}</span></div>
        : state.status.phase === "signed-out" ? <div class="note warn"><span>{t("signedOut", {site: state.site})} <button type="button" class="lk" onClick={() => location.reload()}>{t("signIn")}</button></span></div> : null}
    {win.view === "log" ? <Log key={id} conversation={conversation} app={app} watching={active && (!ui.phone || ui.full)}/>
      : win.view === "invite" ? <Picker key="invite" conversation={conversation} done={back}/>
        : <Members conversation={conversation} rename={win.view === "rename"} back={back}/>}
    {win.view === "log" && blocked && <div class="sys"><Icon d={banIcon} c="s14"/>{t("youBlocked", {name: first(name)})}</div>}
    {win.view === "log" && (win.report ? <Report conversation={conversation}/> : <div>
      <div class="typ">{typing && <span class="dots" aria-hidden="true"><i/><i/><i/></span>}{typing}</div>
      {state.status.phase !== "refused" && state.status.phase !== "signed-out" ? <Composer key={id} conversation={conversation}/> : <div class="cmp"><div class="box ro">{t("readOnly")}</div></div>}
    </div>)}
  </section>;
}

function Members({conversation, rename, back}: {conversation: Conversation; rename: boolean; back(): void}): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const id = conversation.id;
  const field = useRef<HTMLInputElement>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    const name = field.current!.value.trim();
    if (name) client.rename(id, name).then(back, () => ui.notify(id, {text: t("notDone"), tone: "err"}));
  };
  const talk = (member: string): void => void client.converse([member]).then((made) => made && show(app, made));
  return <div class="pane">
    {rename ? <form class="form" onSubmit={submit}><b>{t("rename")}</b>
      <label class="fld"><input ref={field} defaultValue={conversation.name} maxLength={100} aria-label={t("groupName")}/></label>
      <div class="acts"><button class="btn p sm">{t("save")}</button><button type="button" class="btn sm" onClick={back}>{t("cancel")}</button></div></form>
      : <div class="list"><h3>{t("memberCount", {n: conversation.members.length})}</h3><ul>
        {conversation.members.map((member) => <li key={member}><button type="button" class="row inset" disabled={member === client.state.me!.id} onClick={() => talk(member)}>
          <Avatar id={member} member={client.state.members.get(member)} show={member === client.state.me!.id ? client.state.show : presenceOf(app, member).show}/>
          <span class="tx"><b class="tr"><bdi>{client.state.members.get(member)?.name ?? member}</bdi></b><small>{member === client.state.me!.id ? t("you") : inWords(app, presenceOf(app, member))}</small></span></button></li>)}</ul></div>}
    {!rename && <div class="foot"><button type="button" class="btn q" onClick={() => ui.setWin(id, {view: "invite"})}><Icon d={userPlus} c="s16"/>{t("addPeople")}</button><button type="button" class="btn q" onClick={back}>{t("done")}</button></div>}
  </div>;
}

/** Opens a conversation's window, or its page on a phone, and puts the focus where one writes. */
export function show(app: App, id: string): void {
  const {client, ui} = app;
  if (ui.phone) {
    if (ui.page !== id) history.pushState({avchat: "page"}, "");
    ui.set({full: true, page: id});
    client.open(id);
  } else client.open(id);
  ui.activate(id);
  if (!ui.phone) ui.focus(`${of("win", id)} textarea`);
}
