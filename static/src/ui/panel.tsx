/** Chats and people: the panel on a desk, the first pages on a phone. */
import {h, useEffect, useState, type VNode} from "./vdom";
import alert from "icon:circle-alert";
import chevronDown from "icon:chevron-down";
import message from "icon:message-circle";
import minus from "icon:minus";
import searchIcon from "icon:search";
import squarePen from "icon:square-pen";
import usersIcon from "icon:users";
import x from "icon:x";
import {partner, type Conversation} from "../core/store";
import {useApp, first, type App} from "./app";
import {called} from "./message";
import {Connection} from "./notes";
import {Avatar, Badge, Empty, Icon, IconButton, Rows} from "./parts";
import {later, soon} from "./later";
import {inWords, presenceOf, show} from "./window";

export function unread(app: App): number {
  return [...app.client.state.conversations.values()].reduce((sum, x) => sum + x.unread, 0);
}

export function Panel(): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const me = client.state.me!;
  const close = (): void => {
    ui.set({panel: false});
    ui.focus("[data-opener]");
  };
  const keys = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else if (event.key === "/" && target.tagName !== "INPUT") {
      event.preventDefault();
      ui.set({view: "people"});
      ui.focus(".panel .find input");
    }
  };
  const menu = ui.menu?.label === t("yourPresence");
  const more = ui.view === "new" || ui.status ? later(app) : null;
  return <div class="panel" onKeyDown={keys}>
    {ui.view === "new" ? (more ? <more.Picker done={() => ui.set({view: "chats"})}/> : <div class="pane"><Rows/></div>) : <div class="pane">
      <div class="ph"><Avatar id={me.id} member={me} size={36} show={client.state.show}/>
        <div class="who"><button type="button" class="nm" data-me aria-haspopup="menu" aria-expanded={menu} aria-label={t("presenceButton", {show: t(`p_${client.state.show}`)})}
          onClick={({currentTarget}) => soon(app, ({presenceMenu}) => presenceMenu(app, currentTarget))}><span class="tr">{t(`p_${client.state.show}`)}</span><Icon d={chevronDown} c="s14"/></button>
          <span class="st tr" dir="auto">{client.state.statusText || me.name}</span></div>
        <div class="acts"><IconButton icon={squarePen} label={t("newConversation")} onClick={() => { ui.set({view: "new"}); ui.focus(".picker input"); }}/>
          <IconButton icon={minus} label={t("minimise")} onClick={close}/></div></div>
      {ui.status && more && <more.Status/>}
      <Connection/>
      <Tabs/>
      {ui.view === "chats" ? <Chats/> : <People/>}
    </div>}
  </div>;
}

function Tabs(): VNode {
  const app = useApp();
  const {ui, t} = app;
  const sum = unread(app);
  const tab = (view: "chats" | "people"): VNode => {
    const on = (ui.view === "chats") === (view === "chats");
    return <button type="button" role="tab" id={`avc-tab-${view}`} aria-controls={on ? "avc-list" : undefined} aria-selected={on} tabIndex={on ? 0 : -1}
      onClick={() => ui.set({view})}>{t(view)}{view === "chats" && <Badge count={sum}/>}</button>;
  };
  return <div class="seg" role="tablist" aria-label={t("chat")} onKeyDown={(event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const next = ui.view === "chats" ? "people" : "chats";
    ui.set({view: next});
    ui.focus(`#avc-tab-${next}`);
  }}>{tab("chats")}{tab("people")}</div>;
}

/** Arrow keys move by row in a list. */
export function rove(event: KeyboardEvent): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const rows = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("button.row")];
  const at = rows.indexOf((event.target as HTMLElement).closest<HTMLElement>("button.row")!);
  const next = rows[at + (event.key === "ArrowDown" ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

const near = (list: HTMLElement): boolean => list.scrollHeight - list.scrollTop - list.clientHeight < 300;

/** The last words of a conversation, as a row shows them. */
function gist(app: App, conversation: Conversation): VNode | string {
  const {client: {state, outbox}, ui, t} = app;
  const failed = outbox.of(conversation.id).find((item) => item.failed);
  if ([...conversation.typing.values()].some((until) => until > Date.now())) return <span class="typing">{t("typingShort")}</span>;
  if (failed) return <span><span class="bad">{t("notSentLabel")}</span> {failed.body}</span>;
  const {draft} = ui.win(conversation.id);
  if (draft.trim() && ui.active !== conversation.id) return <span><span class="draft">{t("draftLabel")}</span> {draft}</span>;
  const {last} = conversation;
  if (!last || last.hidden) return "";
  if (last.deleted) return t("deleted");
  if (last.system) return "";
  if (last.from === state.me!.id) return t("youSaid", {body: last.body});
  return conversation.kind === "group" ? t("theySaid", {name: first(state.members.get(last.from)?.name ?? last.from), body: last.body}) : last.body;
}

export function Chats(): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const {state, chats} = client;
  const ids = [...new Set([...chats.ids, ...state.conversations.keys()])];
  const query = ui.phone ? ui.query.toLowerCase() : "";
  const rows = ids.map((id) => state.conversations.get(id)).filter((x): x is Conversation => !!x && (!!x.last || x.kind === "group"))
    .filter((x) => !query || called(app, x).toLowerCase().includes(query))
    .sort((a, b) => (b.last?.time ?? 0) - (a.last?.time ?? 0));
  return <div class="pane" role="tabpanel" id="avc-list" aria-labelledby="avc-tab-chats">
    {chats.state === "loading" && !rows.length ? <div class="list"><Rows/></div>
      : chats.state === "failed" && !rows.length ? <Failed again={() => void client.loadChats()}/>
        : !rows.length ? (chats.state === "none" ? <div class="list"/> : <Empty icon={message} head={t("noChats")} text={t("noChatsHelp")}/>)
          : <ul class="list" onKeyDown={rove} onScroll={(event) => { if (near(event.currentTarget)) void client.loadChats(); }}>{rows.map((conversation) => {
            const other = partner(state, conversation);
            const name = called(app, conversation);
            const size = ui.phone ? 48 : 32;
            return <li key={conversation.id}><button type="button" class={`row inset ${conversation.unread ? "un" : ""}`} data-row={other} data-conversation={conversation.id}
              onClick={() => show(app, conversation.id)}>
              <Avatar id={other ?? conversation.id} member={other ? state.members.get(other) : undefined} room={!other} size={size} show={other ? presenceOf(app, other).show : undefined}/>
              <span class="tx"><b class="tr"><bdi>{name}</bdi>{other && <span class="vh">, {t(`p_${presenceOf(app, other).show}`)}</span>}</b><small class="tr" dir="auto">{gist(app, conversation)}</small></span>
              <span class="rt"><span class="num">{conversation.last && app.brief(conversation.last.time)}</span>
                <span class="bs">{conversation.mention && <Badge count={conversation.unread} mention/>}<Badge count={conversation.unread}/></span></span></button></li>;
          })}</ul>}
  </div>;
}

const Failed = ({again}: {again(): void}): VNode => {
  const {t} = useApp();
  return <Empty icon={alert} head={t("listFailed")} text=""><button type="button" class="btn q sm" onClick={again}>{t("tryAgain")}</button></Empty>;
};

export function People(): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const {state, online, found} = client;
  const [query, setQuery] = useState("");
  useEffect(() => {
    if (!query) return undefined;
    const timer = setTimeout(() => void client.find(query), 200);
    return () => clearTimeout(timer);
  }, [query]);
  // Presence tells of those on screen; who else has come by is asked now and then.
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden && client.state.status.phase === "online") void client.refreshOnline(); }, 20_000);
    return () => clearInterval(timer);
  }, []);
  const byName = (a: string, b: string): number => (state.members.get(a)?.name ?? a).localeCompare(state.members.get(b)?.name ?? b, app.lang);
  const talk = (id: string): void => void client.converse([id]).then((made) => made && show(app, made));
  const row = (id: string): VNode => {
    // Who is listed is online; how, is told a moment later.
    const presence = state.presence.get(id) ?? {show: query ? "offline" : "online", status: "", since: 0};
    const member = state.members.get(id);
    const words = inWords(app, presence);
    return <li key={id}><button type="button" class={`row inset ${presence.show === "offline" ? "offl" : ""}`} data-row={id} onClick={() => talk(id)}>
      <Avatar id={id} member={member} size={ui.phone ? 48 : 32} show={presence.show}/>
      <span class="tx"><b class="tr"><bdi>{member?.name ?? id}</bdi>{presence.show !== "offline" && <span class="vh">, {words}</span>}</b>{(presence.status || presence.show === "offline") && <small class="tr" dir="auto">{presence.status || words}</small>}</span></button></li>;
  };
  const section = (head: string, ids: string[]): VNode | null => ids.length
    ? <div><h2>{head} <span class="num">{app.number(ids.length)}</span></h2><ul>{ids.sort(byName).map(row)}</ul></div> : null;
  const known = online.ids.filter((id) => !state.blocked.has(id));
  const is = (...shows: string[]) => (id: string): boolean => shows.includes(state.presence.get(id)?.show ?? "online");
  const here = known.filter(is("online", "chat", "dnd"));
  const away = known.filter(is("away", "xa"));
  const searching = query && (found.query !== query || found.state === "loading");
  return <div class="pane" role="tabpanel" id="avc-list" aria-labelledby="avc-tab-people">
    <label class="find"><Icon d={searchIcon} c="s16"/><input type="search" value={query} aria-label={t("findMember")} placeholder={t("findMember")} onInput={(event) => setQuery(event.currentTarget.value)}
      onKeyDown={(event) => { if (event.key === "Escape" && query) { event.stopPropagation(); setQuery(""); } }}/>
      {query && <IconButton icon={x} i="s16" c="sm" label={t("clear")} onClick={() => setQuery("")}/>}</label>
    {query ? (found.ids.length && found.query === query ? <div class="list" onKeyDown={rove} onScroll={(event) => { if (near(event.currentTarget)) void client.find(query, true); }}><ul>{found.ids.map(row)}</ul></div>
      : searching ? <div class="list"><Rows/></div> : <Empty icon={searchIcon} head={t("noOne", {query})} text={t("noOneHelp")}/>)
      : online.state === "loading" && !known.length ? <div class="list"><Rows/></div>
        : online.state === "failed" && !known.length ? <Failed again={() => void client.loadOnline()}/>
          : <div class="list" onKeyDown={rove} onScroll={(event) => { if (near(event.currentTarget)) void client.loadOnline(); }}>
            {!here.length && !away.length && online.state === "loaded" && <Empty icon={usersIcon} head={t("quiet")} text={t("quietHelp")}/>}
            {section(t("online"), here)}{section(t("away"), away)}</div>}
  </div>;
}
