/** One message: its bubble, reactions, and what can be done with it. */
import {h, useRef, useState, type VNode} from "./vdom";
import ellipsis from "icon:ellipsis";
import reply from "icon:reply";
import smile from "icon:smile";
import {title, type Conversation} from "../core/store";
import {jumbo} from "../format";
import type {Bubble as Model} from "../groups";
import {first, useApp, type App} from "./app";
import {soon} from "./later";
import {IconButton} from "./parts";
import {Text} from "./text";

interface BubbleProps {
  conversation: Conversation;
  model: Model;
  head: boolean;
  author: string;
  current: boolean;
  names: string[];
  fresh: boolean;
  reveal(seq: number): void;
}

export function Bubble({conversation, model, head, author, current, names, fresh, reveal}: BubbleProps): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const me = client.state.me!;
  const {message, item} = model;
  const element = useRef<HTMLDivElement | null>(null);
  const press = useRef(0);
  const [hot, setHot] = useState(false);
  const [side, setSide] = useState(false);
  const [open, setOpen] = useState(false);
  const gone = !!message.deleted || ui.going.has(`${conversation.id}/${message.seq}`);
  const jumboed = !gone && !message.reply_to && jumbo(message.body);
  const long = !gone && (message.body.split("\n").length > 12 || message.body.length > 900);
  const quoted = message.reply_to ? conversation.messages.find((x) => x.seq === message.reply_to) : undefined;
  const acting = !gone && (hot || !!(ui.menu && element.current?.contains(ui.menu.anchor)));
  const body = gone ? t("deleted") : message.body;
  const nameOf = (id: string): string => client.state.members.get(id)?.name ?? id;

  const heat = (): void => {
    const log = element.current!.closest(".log")!.getBoundingClientRect();
    const bubble = element.current!.getBoundingClientRect();
    setSide(Math.max(bubble.left - log.left, log.right - bubble.right) > 100);
    // The actions' style comes with the second module: without it they would move the text under the pointer.
    soon(app, () => setHot(true));
  };
  const more = (anchor: HTMLElement): void => soon(app, ({messageMenu}) => messageMenu(app, conversation, model, anchor));
  const react = (anchor: HTMLElement): void => ui.set({menu: {
    anchor, label: t("react"),
    pick: (emoji) => client.react(conversation.id, message.seq, emoji, !message.reactions?.[emoji]?.includes(me.id)),
  }});
  const answer = (): void => {
    ui.setWin(conversation.id, {reply: message, edit: undefined});
    ui.write(conversation.id);
  };
  const anchor = (event: Event): HTMLElement => event.currentTarget as HTMLElement;
  const keys = (event: KeyboardEvent): void => {
    if (event.target !== element.current || gone || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") more(element.current!);
    else if (item) return;
    else if (event.key === "r" || event.key === "R") answer();
    else if ((event.key === "e" || event.key === "E") && message.from === me.id) {
      ui.setWin(conversation.id, {edit: message, reply: undefined});
      ui.write(conversation.id);
    } else if (event.key === "+") react(element.current!);
    else return;
    event.preventDefault();
  };
  // On touch a long press opens the actions as a sheet; letting go is then no click on what lies under the finger.
  const hold = (event: TouchEvent): void => {
    if (gone) return;
    const target = element.current!;
    clearTimeout(press.current);
    if (event.type === "touchstart") {
      press.current = window.setTimeout(() => {
        press.current = 0;
        more(target);
      }, 500);
    } else if (!press.current) event.preventDefault();
  };

  const clock = app.clock(message.time);
  const label = [t("messageLabel", {name: author, time: clock, body}), message.edited && t("edited"),
    item?.failed && t("notSent")].filter(Boolean).join(", ");
  const reactions = gone ? [] : Object.entries(message.reactions ?? {});
  return <div ref={element} class={`m ${head ? "first" : ""} ${fresh ? "in" : ""}`} role="article" aria-label={label} data-seq={message.seq || undefined}
    data-state={model.delivery} tabIndex={current ? 0 : -1} onKeyDown={keys}
    onPointerEnter={(event) => { if (event.pointerType === "mouse" && !gone) heat(); }} onPointerLeave={() => setHot(false)}
    onFocusCapture={() => { if (!gone) heat(); }} onBlurCapture={(event) => { if (!element.current!.contains(event.relatedTarget as Node)) setHot(false); }}
    onTouchStart={hold} onTouchEnd={hold} onTouchMove={hold} onContextMenu={(event) => { if (ui.phone) event.preventDefault(); }}>
    <div class={`b ${gone ? "gone" : ""} ${jumboed ? "jumbo" : ""} ${item ? (item.failed ? "fail" : "pend") : ""}`} title={app.exact(message.time)}>
      {!gone && message.reply_to && <button type="button" class="rq" onClick={() => reveal(message.reply_to!)}>
        <b><bdi>{quoted ? first(nameOf(quoted.from)) : t("earlier")}</bdi></b><span class="tr" dir="auto">{quoted ? quoted.body.slice(0, 120) || t("deleted") : ""}</span></button>}
      {gone ? body : <div class={long && !open ? "fold" : ""}><Text body={body} names={names} mine={me.name}/></div>}
      {long && !open && <button type="button" class="more" onClick={() => setOpen(true)}>{t("showAll")}</button>}
    </div>
    {acting && <div class={`hv ${side ? "side" : ""}`}>
      {!item && <IconButton icon={smile} i="s16" label={t("react")} expanded={ui.menu?.pick && true} onClick={(event) => react(anchor(event))}/>}
      {!item && <IconButton icon={reply} i="s16 flip" label={t("reply")} onClick={answer}/>}
      <IconButton icon={ellipsis} i="s16" label={t("more")} expanded={!!ui.menu?.items} onClick={(event) => more(anchor(event))}/>
    </div>}
    {reactions.length > 0 && <div class="rx">{reactions.map(([emoji, ids]) => {
      const mine = ids.includes(me.id);
      const who = app.list(ids.map(nameOf));
      return <button type="button" key={emoji} aria-pressed={mine} title={who} aria-label={t("reaction", {emoji, n: ids.length, names: who})}
        onClick={() => client.react(conversation.id, message.seq, emoji, !mine)}><span>{emoji}</span>{app.number(ids.length)}</button>;
    })}</div>}
  </div>;
}

export const called = (app: App, conversation: Conversation): string => title(app.client.state, conversation);
