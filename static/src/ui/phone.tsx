/** The whole screen on a phone: lists, one conversation, settings; the browser's Back goes back. */
import {h, useEffect, useRef, type VNode} from "./vdom";
import message from "icon:message-circle";
import searchIcon from "icon:search";
import settings from "icon:settings";
import squarePen from "icon:square-pen";
import usersIcon from "icon:users";
import x from "icon:x";
import {useApp, type View} from "./app";
import {Out} from "./out";
import {Connection} from "./notes";
import {block, SHOWS, Status} from "./menus";
import {Chats, People, unread} from "./panel";
import {Avatar, Badge, Dot, Icon, IconButton} from "./parts";
import {Picker} from "./picker";
import {Window} from "./window";

const EDGE = 24;
const FAR = 64;

export function Phone(): VNode | null {
  const app = useApp();
  const {client, ui, t, config} = app;
  const {state} = client;
  const from = useRef({x: 0, y: 0, edge: false});
  useEffect(() => {
    const back = (event: PopStateEvent): void => {
      const at = (event.state as {avchat?: string} | null)?.avchat;
      if (!at) ui.set({full: false, page: null, active: null});
      else if (at === "full") ui.set({page: null, active: null});
    };
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  // The page behind must not scroll along, and the keyboard must not cover what is written.
  useEffect(() => {
    if (!ui.full) return undefined;
    const {style} = document.documentElement;
    const {overflow} = style;
    style.overflow = "hidden";
    const view = visualViewport;
    const follow = (): void => {
      const box = ui.root.querySelector<HTMLElement>(".phone");
      if (!box || !view) return;
      box.style.height = view.height < innerHeight - 60 ? `${view.height}px` : "";
      box.style.transform = view.offsetTop ? `translateY(${view.offsetTop}px)` : "";
    };
    view?.addEventListener("resize", follow);
    view?.addEventListener("scroll", follow);
    follow();
    return () => {
      style.overflow = overflow;
      view?.removeEventListener("resize", follow);
      view?.removeEventListener("scroll", follow);
    };
  }, [ui.full]);

  const sum = unread(app);
  if (!ui.full) {
    if (!config.phone) return null;
    const open = (): void => {
      history.pushState({avchat: "full"}, "");
      ui.set({full: true, view: "chats"});
      ui.focus(".phone button");
    };
    return <button type="button" class={`fab ${config.side === "start" ? "start" : ""}`} data-opener title={t("chat")} onClick={open}>
      <Icon d={message} c="s22"/><span class="vh">{t("chat")}</span><Badge count={sum}/></button>;
  }
  const page = ui.page && state.conversations.get(ui.page);
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape") history.back();
  };
  // From the inline start a swipe goes back; on a bubble it replies.
  const swipe = (event: TouchEvent): void => {
    const {clientX: x, clientY: y, target} = event.changedTouches[0]!;
    if (event.type === "touchstart") {
      from.current = {x, y, edge: (app.rtl ? innerWidth - x : x) < EDGE};
      return;
    }
    const far = (x - from.current.x) * (app.rtl ? -1 : 1);
    if (!page || far < FAR || Math.abs(y - from.current.y) > FAR / 2) return;
    const seq = Number((target as Element).closest<HTMLElement>("[data-seq]")?.dataset.seq);
    const message = page.messages.find((x) => x.seq === seq && !x.deleted);
    if (from.current.edge) history.back();
    else if (message) {
      ui.setWin(page.id, {reply: message, edit: undefined});
      ui.write(page.id);
    }
  };
  return <div class="phone" role="region" aria-label={t("chat")} onKeyDown={keys} onTouchStart={swipe} onTouchEnd={swipe}>
    {!state.me ? <Out/> : page ? <div class="page" key={page.id}><Window conversation={page}/></div>
      : ui.view === "new" ? <div class="page" key="new"><Picker done={() => ui.set({view: "chats"})}/></div> : <Lists/>}
  </div>;
}

function Lists(): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const me = client.state.me!;
  const sum = unread(app);
  const tab = (view: View, icon: string): VNode => <button type="button" role="tab" id={`avc-tab-${view}`} aria-selected={ui.view === view}
    aria-controls={ui.view === view ? "avc-list" : undefined} onClick={() => ui.set({view, query: ""})}>
    <Icon d={icon} c="s22"/>{t(view)}{view === "chats" && <Badge count={sum}/>}</button>;
  return <div class="page root-page">
    <div class="hd"><Avatar id={me.id} member={me} size={36} show={client.state.show}/><h2>{t(ui.view)}</h2><span class="acts">
      <IconButton icon={squarePen} label={t("newConversation")} onClick={() => { ui.set({view: "new"}); ui.focus(".picker input"); }}/>
      <IconButton icon={x} label={t("closeChat")} onClick={() => history.back()}/></span></div>
    <Connection/>
    {ui.view === "chats" && <label class="find"><Icon d={searchIcon}/><input type="search" value={ui.query} aria-label={t("findChat")} placeholder={t("findChat")} onInput={(event) => ui.set({query: event.currentTarget.value})}/></label>}
    {ui.view === "chats" ? <Chats/> : ui.view === "settings" ? <Settings/> : <People/>}
    <div class="bn" role="tablist" aria-label={t("chat")}>{tab("chats", message)}{tab("people", usersIcon)}{tab("settings", settings)}</div>
  </div>;
}

function Settings(): VNode {
  const app = useApp();
  const {client, t} = app;
  const {state} = client;
  return <div class="set" role="tabpanel" id="avc-list" aria-labelledby="avc-tab-settings">
    <h3 id="avc-presence">{t("yourPresence")}</h3>
    <div role="radiogroup" aria-labelledby="avc-presence">{SHOWS.map((show) => <button type="button" key={show} class="mi inset" role="radio" aria-checked={state.show === show} onClick={() => client.setPresence(show, state.statusText)}>
      <Dot show={show}/><span class="sp">{t(`p_${show}`)}</span></button>)}</div>
    <h3>{t("status")}</h3><Status/>
    {state.blocked.size > 0 && <div><h3>{t("blockedPeople")}</h3>{[...state.blocked].map((id) => <div class="mi" key={id}><Avatar id={id} member={state.members.get(id)} size={28}/>
      <span class="sp tr"><bdi>{state.members.get(id)?.name ?? id}</bdi></span><button type="button" class="btn q sm" onClick={() => block(app, id, false, "")}>{t("unblock")}</button></div>)}</div>}
  </div>;
}
