/** Where a message is written: draft, reply, edit, counter, and the wait that the service asks for. */
import {h, useEffect, useRef, type VNode} from "./vdom";
import arrowUp from "icon:arrow-up";
import pencil from "icon:pencil";
import replyIcon from "icon:reply";
import smile from "icon:smile";
import x from "icon:x";
import {partner, type Conversation} from "../core/store";
import {length} from "../core/util";
import {first, useApp} from "./app";
import {soon} from "./later";
import {called} from "./message";
import {Icon, IconButton} from "./parts";

const COUNTER = 0.9;

export function Composer({conversation}: {conversation: Conversation}): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const {state} = client;
  const id = conversation.id;
  const win = ui.win(id);
  const field = useRef<HTMLTextAreaElement | null>(null);
  const editing = useRef<number>(0);
  const name = called(app, conversation);
  const to = conversation.kind === "pair" ? first(name) : name;
  const other = partner(state, conversation);

  useEffect(() => {
    const element = field.current;
    if (!element) return;
    if (win.edit && editing.current !== win.edit.seq) element.value = win.edit.body;
    else if (!win.edit && editing.current) element.value = win.draft;
    else if (!win.edit && element.value !== win.draft) element.value = win.draft;
    editing.current = win.edit?.seq ?? 0;
    element.style.height = "";
    const {borderTopWidth} = getComputedStyle(element);
    element.style.height = `${element.scrollHeight + parseFloat(borderTopWidth)}px`;
  });

  if (other && state.blocked.has(other)) {
    return <div class="cmp"><div class="box ro">{t("cannotWrite")}</div>
      <button type="button" class="btn q sm" onClick={() => soon(app, ({block}) => block(app, other, false, id))}>{t("unblock")}</button></div>;
  }

  const text = field.current && win.edit && editing.current === win.edit.seq ? field.current.value : win.edit ? win.edit.body : win.draft;
  const count = length(text);
  const most = state.limits.body;
  const over = count - most;
  const wait = Math.ceil(((client.slow.get(id) ?? 0) - Date.now()) / 1_000);

  const cancel = (): void => ui.setWin(id, {reply: undefined, edit: undefined});
  const send = (): void => {
    const body = field.current!.value.trim();
    if (!body || length(body) > most) return;
    if (win.edit) {
      const {seq, body: old} = win.edit;
      if (body !== old) client.edit(id, seq, body).catch(() => ui.notify(id, {text: t("notDone"), tone: "err"}));
    } else {
      conversation.fresh = 0;
      client.send(id, body, win.reply?.seq);
      ui.setWin(id, {draft: ""});
    }
    cancel();
    field.current!.focus();
  };
  const input = (): void => {
    const {value} = field.current!;
    if (win.edit) ui.changed();
    else {
      client.typing(id, !!value);
      ui.setWin(id, {draft: value});
    }
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.isComposing || event.keyCode === 229) return;
    const {value} = field.current!;
    if (event.key === "Enter" && !event.shiftKey && !(ui.phone && matchMedia("(pointer: coarse)").matches)) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && (win.edit || win.reply)) {
      event.stopPropagation();
      cancel();
    } else if (event.key === "ArrowUp" && !value && !event.altKey && !win.edit) {
      const last = [...conversation.messages].reverse().find((message) => message.from === state.me!.id && !message.deleted && !message.system);
      if (!last) return;
      event.preventDefault();
      ui.setWin(id, {edit: last, reply: undefined});
    }
  };
  const insert = (emoji: string): void => {
    const element = field.current!;
    element.setRangeText(emoji, element.selectionStart, element.selectionEnd, "end");
    input();
    element.focus();
  };

  const about = win.edit ?? win.reply;
  const author = about && (about.from === state.me!.id ? t("you") : first(state.members.get(about.from)?.name ?? about.from));
  const line = over > 0 ? <div class="typ over">{t("tooLong", {n: over})}</div>
    : wait > 0 ? <div class="typ wait">{t("slow", {n: wait})}</div>
      : count >= most * COUNTER ? <div class="typ hint num">{t("counter", {count, most})}</div>
        : about && !ui.phone ? <div class="typ hint">{t("enterHint")}</div> : null;
  return <div>
    {about && <div class="ctx"><Icon d={win.edit ? pencil : replyIcon} c="s16 flip"/>
      <span class="sp"><b><bdi>{win.edit ? t("editing") : author}</bdi></b><span class="tr" dir="auto">{about.body}</span></span>
      <IconButton icon={x} i="s16" c="sm" label={win.edit ? t("stopEditing") : t("stopReplying")} onClick={cancel}/></div>}
    <div class="cmp">
      <div class="box">
        <textarea ref={field} rows={1} dir={text ? "auto" : undefined} aria-label={t("writeTo", {name: to})} placeholder={t("writeTo", {name: to})}
          data-box={id} onInput={input} onKeyDown={keys} enterkeyhint="send"/>
        <IconButton icon={smile} label={t("emojiButton")} expanded={ui.menu?.label === t("emojiButton") && ui.active === id}
          onClick={(event) => ui.set({menu: {anchor: event.currentTarget as HTMLElement, label: t("emojiButton"), pick: insert}})}/>
      </div>
      {text.trim() && <button type="button" class="ib send" aria-label={t("send")} title={t("send")} disabled={over > 0 || wait > 0} onClick={send}>
        {wait > 0 ? <span class="num">{t("seconds", {n: wait})}</span> : <Icon d={arrowUp} c="s20"/>}</button>}
      {win.edit && !text.trim() && <button type="button" class="btn d sm" onClick={() => { const {seq} = win.edit!; soon(app, ({remove}) => remove(app, id, seq)); cancel(); }}>{t("delete")}</button>}
    </div>
    {line}
  </div>;
}
