/** A conversation's window: header, notices, log (or the members of a group), typing line, composer. */
import {h, useEffect, useRef, type VNode} from "./vdom";
import arrowLeft from "icon:arrow-left";
import banIcon from "icon:ban";
import dots from "icon:ellipsis-vertical";
import minus from "icon:minus";
import usersIcon from "icon:users";
import x from "icon:x";
import {OFFLINE, partner, type Conversation} from "../core/store";
import type {Presence} from "../core/types";
import {first, of, useApp, type App} from "./app";
import {Composer} from "./composer";
import {later, soon} from "./later";
import {Log} from "./log";
import {called} from "./message";
import {Connection, plight} from "./notes";
import {Avatar, Dot, Icon, IconButton, Rows} from "./parts";

export const presenceOf = (app: App, id: string): Presence => app.client.state.presence.get(id) ?? OFFLINE;

/** Presence in words, with when someone was last seen. */
export function inWords(app: App, presence: Presence): string {
  const {show, since} = presence;
  return show === "offline" && since ? app.t("seenAgo", {ago: app.ago(since)}) : app.t(`p_${show}`);
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
  const more = win.view !== "log" || win.report ? later(app) : null;
  const menu = useRef<HTMLButtonElement | null>(null);

  // The "New" line stays until the window is closed.
  useEffect(() => () => { conversation.fresh = 0; }, [conversation.id]);

  const about = (event: Event): void => {
    const anchor = event.currentTarget as HTMLElement;
    soon(app, ({aboutMenu}) => aboutMenu(app, conversation, anchor));
  };
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
    if (tabs[0]) ui.write(tabs[0].conversation);
    else ui.focus("[data-opener]");
  };
  const back = (): void => { ui.setWin(id, {view: "log"}); ui.write(id); };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.stopPropagation();
      if (win.view === "log") minimise();
      else back();
    }
  };
  const second = blocked ? t("blocked") : presence ? inWords(app, presence)
    : t("membersOnline", {n: conversation.members.length, online: app.number(conversation.members.filter((m) => m === state.me!.id ? state.show !== "invisible" : !["offline", "invisible"].includes(presenceOf(app, m).show)).length)});
  const typing = typingLine(app, conversation);
  const trouble = plight(app);
  const {notice} = win;
  return <section class={`win ${active ? "active" : ""}`} role="dialog" aria-modal="false" aria-labelledby={`t-${id}`} id={`w-${id}`} data-win={id}
    onKeyDown={keys} onFocusCapture={() => ui.activate(id)} onPointerDown={() => ui.activate(id)}>
    <header class="wh" onClick={(event) => { if (!ui.phone && !(event.target as HTMLElement).closest("button")) minimise(); }}>
      {ui.phone && <IconButton icon={arrowLeft} i="flip s22" label={t("goBack")} onClick={minimise}/>}
      <Avatar id={other ?? id} member={other ? state.members.get(other) : undefined} room={!other} size={ui.phone ? 40 : 32} show={presence?.show}/>
      <div class="who"><button type="button" ref={menu} class="nm" id={`t-${id}`} aria-haspopup="menu" aria-expanded={ui.menu?.anchor === menu.current && !!ui.menu}
        onClick={about}><bdi class="tr">{name}</bdi></button>
        <span class="st tr">{second}</span></div>
      <div class="acts">
        {!other && !ui.phone && <IconButton icon={usersIcon} label={t("members")} onClick={() => ui.setWin(id, {view: win.view === "log" ? "members" : "log"})}/>}
        {ui.phone ? <IconButton icon={dots} label={t("more")} expanded={!!ui.menu && !!ui.menu.head} onClick={about}/>
          : <IconButton icon={minus} label={t("minimise")} onClick={minimise}/>}
        {!ui.phone && <IconButton icon={x} label={t("close")} onClick={close}/>}
      </div>
    </header>
    {trouble ? <Connection/> : notice ? <div class={`note ${notice.tone ?? ""}`} role="status"><span class="sp">{notice.text}</span>
      {notice.action && <button type="button" class="lk" onClick={notice.action.act}>{notice.action.label}</button>}
      {notice.action && <IconButton icon={x} i="s14" c="sm" label={t("close")} onClick={() => ui.setWin(id, {notice: undefined})}/>}</div>
      : presence?.show === "dnd" && !blocked ? <div class="note"><Dot show="dnd"/><span>{t("dndNote", {name: first(name)})}</span></div> : null}
    {win.view === "log" ? <Log key={id} conversation={conversation} watching={active && (!ui.phone || ui.full)}/>
      : !more ? <div class="pane"><Rows/></div> : win.view === "invite" ? <more.Picker key="invite" conversation={conversation} done={back}/>
        : <more.Members conversation={conversation} rename={win.view === "rename"} back={back}/>}
    {win.view === "log" && blocked && <div class="sys"><Icon d={banIcon} c="s14"/>{t("youBlocked", {name: first(name)})}</div>}
    {win.view === "log" && (win.report && more ? <more.Report conversation={conversation}/> : <div>
      <div class="typ">{typing && <span class="dots" aria-hidden="true"><i/><i/><i/></span>}{typing}</div>
      {state.status.phase !== "refused" && state.status.phase !== "signed-out" ? <Composer key={id} conversation={conversation}/> : <div class="cmp"><div class="box ro">{t("readOnly")}</div></div>}
    </div>)}
  </section>;
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
  if (!ui.phone) ui.write(id);
}
