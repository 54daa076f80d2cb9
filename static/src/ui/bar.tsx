/** The bar at the page's edge: tabs and windows side by side, the rest in a menu, the panel at the inline end. */
import {h, type VNode} from "./vdom";
import alert from "icon:circle-alert";
import chevronUp from "icon:chevron-up";
import message from "icon:message-circle";
import x from "icon:x";
import {partner, type Conversation} from "../core/store";
import {first, useApp, type App} from "./app";
import {soon} from "./later";
import {Out} from "./out";
import {called} from "./message";
import {Panel, unread} from "./panel";
import {Avatar, Badge, Dot, Icon, IconButton} from "./parts";
import {presenceOf, show, Window} from "./window";

const WINDOW = 308;
const PANEL = 272;
const GAP = 8;
const EDGE = 16;
const TAB = 96;
const SLIM = 44;
const REST = 110;

export interface Fit { open: Set<string>; tabs: Set<string>; slim: boolean; tight: boolean; rest: Conversation[] }

/** What fits: open windows first (the longest unused become tabs), then tabs, then a menu for the rest. */
export function fit({client: {state}, ui}: Pick<App, "client" | "ui">, em: number): Fit {
  const all = state.tabs.map((tab) => state.conversations.get(tab.conversation)).filter((c): c is Conversation => !!c);
  const recent = (a: Conversation, b: Conversation): number => Number(b.mention) - Number(a.mention)
    || (ui.used.get(b.id) ?? 0) - (ui.used.get(a.id) ?? 0);
  const unit = em / 16;
  const room = ui.width - EDGE - PANEL * unit - GAP;
  const most = Math.max(1, Math.floor(room / (WINDOW * unit + GAP)));
  const wanted = all.filter((c) => state.tabs.some((tab) => tab.conversation === c.id && tab.state === "open"));
  const open = new Set([...wanted].sort((a, b) => (ui.used.get(b.id) ?? 0) - (ui.used.get(a.id) ?? 0)).slice(0, most).map((c) => c.id));
  const others = all.filter((c) => !open.has(c.id)).sort(recent);
  const left = room - EDGE - open.size * (WINDOW * unit + GAP);
  const holds = (width: number, more: number): number => Math.max(0, Math.floor((left - more) / (width * unit + GAP)));
  const slim = others.length > holds(TAB, 0);
  const count = !slim ? others.length : others.length <= holds(SLIM, 0) ? others.length : holds(SLIM, REST * unit);
  return {open, tabs: new Set(others.slice(0, count).map((c) => c.id)), slim, tight: left < REST * unit, rest: others.slice(count)};
}

export function Bar(): VNode {
  const app = useApp();
  const {client, ui, t, config} = app;
  const {state} = client;
  const shown = state.me ? fit(app, parseFloat(getComputedStyle(ui.root).fontSize)) : {open: new Set(), tabs: new Set(), slim: false, tight: false, rest: []};
  // The newest is nearest to the panel, which is last.
  const row = [...state.tabs].reverse().map((tab) => state.conversations.get(tab.conversation)).filter((c): c is Conversation => !!c);
  const keys = (event: KeyboardEvent): void => {
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      step(app, row, event.key === "ArrowUp" ? -1 : 1, event.shiftKey);
      event.preventDefault();
      return;
    }
    const stops = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>(".tab")];
    const at = stops.indexOf(event.target as HTMLElement);
    if (at < 0) return;
    const mirrored = (ui.root.dir === "rtl") !== (config.side === "start");
    const to = {ArrowLeft: at + (mirrored ? 1 : -1), ArrowRight: at + (mirrored ? -1 : 1), Home: 0, End: stops.length - 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    stops[Math.max(0, Math.min(to, stops.length - 1))]!.focus();
  };
  return <div class={`bar ${config.side === "start" ? "start" : ""}`} role="region" aria-label={t("chat")} onKeyDown={keys}>
    {shown.rest.length > 0 && <Overflow rest={shown.rest} tight={shown.tight}/>}
    {row.map((conversation) => (shown.open.has(conversation.id) ? <Window key={conversation.id} conversation={conversation}/>
      : shown.tabs.has(conversation.id) ? <Tab key={conversation.id} conversation={conversation} slim={shown.slim}/> : null))}
    {ui.panel ? (state.me ? <Panel/> : <Out/>) : <Opener/>}
  </div>;
}

function step(app: App, row: Conversation[], by: number, unreadOnly: boolean): void {
  const list = row.filter((c) => !unreadOnly || c.unread > 0 || c.id === app.ui.active);
  const at = list.findIndex((c) => c.id === app.ui.active);
  const next = list[(at + by + list.length) % list.length];
  if (next) show(app, next.id);
}

function Opener(): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const sum = unread(app);
  const open = (): void => {
    ui.set({panel: true});
    ui.focus("[data-me], .panel input, .panel button");
  };
  const here = client.onlineCount;
  return <button type="button" class="tab chat" data-opener aria-expanded={false} onClick={open}>
    <Icon d={message}/><span class="sp">{t("chat")}</span>
    {sum ? <Badge count={sum}/> : !!here && <span class="here"><Dot show="online"/><span class="num">{t("onlineCount", {n: here})}</span></span>}
    <Icon d={chevronUp} c="s16"/></button>;
}

/** What stands at the end of a tab: typing, a failed message, a mention, a count. */
function Mark({conversation}: {conversation: Conversation}): VNode | null {
  const {client, t} = useApp();
  if (client.outbox.of(conversation.id).some((item) => item.failed)) return <span class="alert"><Icon d={alert} c="s16"/><span class="vh">, {t("notSent")}</span></span>;
  if ([...conversation.typing.values()].some((until) => until > Date.now())) return <span class="dots" aria-hidden="true"><i/><i/><i/></span>;
  return <Badge count={conversation.unread} mention={conversation.mention}/>;
}

function Tab({conversation, slim}: {conversation: Conversation; slim: boolean}): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const other = partner(client.state, conversation);
  const name = called(app, conversation);
  const shown = other ? first(name) : name;
  const close = (): void => {
    client.close(conversation.id);
    ui.focus("[data-opener], [data-me]");
  };
  return <div class={`tabw ${slim ? "slim" : ""}`}>
    <button type="button" class="tab" data-tab={conversation.id} aria-expanded={false} aria-controls={`w-${conversation.id}`} title={slim ? name : undefined}
      onClick={() => show(app, conversation.id)} onKeyDown={(event) => { if (event.key === "Delete") close(); }}>
      <Avatar id={other ?? conversation.id} member={other ? client.state.members.get(other) : undefined} room={!other} size={28} show={other ? presenceOf(app, other).show : undefined}/>
      <span class="tr">{shown}</span><span class="vh">{name.slice(shown.length)}{other && `, ${t(`p_${presenceOf(app, other).show}`)}`}</span><Mark conversation={conversation}/></button>
    <IconButton icon={x} i="s16" c="sm x" label={t("closeTab", {name})} onClick={close}/>
  </div>;
}

function Overflow({rest, tight}: {rest: Conversation[]; tight: boolean}): VNode {
  const app = useApp();
  const {ui, t} = app;
  const text = t("moreTabs", {n: rest.length});
  return <button type="button" class="tab" aria-haspopup="menu" aria-expanded={ui.menu?.label === text} onClick={({currentTarget}) => soon(app, ({restMenu}) => restMenu(app, rest, text, currentTarget))}>
    {tight ? <span class="vh">{text}</span> : <Icon d={chevronUp} c="s16"/>}<span class="num" aria-hidden={tight}>{tight ? app.number(rest.length) : text}</span><Badge count={rest.reduce((sum, c) => sum + c.unread, 0)} mention={rest.some((c) => c.mention)}/></button>;
}
