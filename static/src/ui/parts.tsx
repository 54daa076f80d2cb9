/** Icons, avatars, presence shapes, buttons. */
import {h, useState, type Child, type VNode} from "./vdom";
import users from "icon:users";
import type {Member, Show} from "../core/types";
import {useApp} from "./app";

/** A Lucide icon (ISC licence), given as one path. */
export const Icon = ({d, c = ""}: {d: string; c?: string}): VNode =>
  <svg class={`i ${c}`} viewBox="0 0 24 24" aria-hidden="true"><path d={d}/></svg>;

interface ButtonProps {
  icon: string;
  label: string;
  onClick(event: MouseEvent): void;
  c?: string;
  i?: string;
  expanded?: boolean;
  disabled?: boolean;
}
export const IconButton = ({icon, label, onClick, c = "", i = "", expanded, disabled}: ButtonProps): VNode =>
  <button type="button" class={`ib ${c}`} aria-label={label} title={label} disabled={disabled}
    aria-haspopup={expanded === undefined ? undefined : "menu"} aria-expanded={expanded}
    onClick={(event: MouseEvent) => { event.stopPropagation(); onClick(event); }}><Icon d={icon} c={i}/></button>;

const disc = "M6 0a6 6 0 1 0 0 12a6 6 0 1 0 0-12";
const ring = (): VNode => <circle cx="6" cy="6" r="5" fill="none" stroke="currentColor" stroke-width="2"/>;
const gap = "var(--avc-halo)";
const shapes: Record<Show, () => VNode> = {
  online: () => <path d={disc} fill="currentColor"/>,
  chat: () => <g><path d="M6 0a6 6 0 1 1-2.7 11.350L0 12l.65-3.3A6 6 0 0 1 6 0z" fill="currentColor"/><path d="M3.7 6h.01M6 6h.01M8.3 6h.01" stroke={gap} stroke-width="1.5" stroke-linecap="round"/></g>,
  away: () => <path d="M5.2.1A6 6 0 1 0 11.9 6.8 4.7 4.7 0 0 1 5.2.1z" fill="currentColor"/>,
  xa: () => <g>{ring()}<path d="M1.5 6h9a4.500 4.500 0 0 1-9 0z" fill="currentColor"/></g>,
  dnd: () => <g><path d={disc} fill="currentColor"/><path d="M3.3 6h5.400" stroke={gap} stroke-width="2" stroke-linecap="round"/></g>,
  invisible: () => <circle cx="6" cy="6" r="5" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="2.6 2.636"/>,
  offline: ring,
};

const Shape = ({show}: {show: Show}): VNode => <svg viewBox="0 0 12 12" aria-hidden="true">{(shapes[show] ?? shapes.offline)()}</svg>;
/** A presence shape standing alone. */
export const Dot = ({show}: {show: Show}): VNode => <span class={`dot c-${show}`}><Shape show={show}/></span>;

const hue = (id: string): number => [...id].reduce((sum, char) => (sum * 31 + char.codePointAt(0)!) % 360, 7);

interface AvatarProps { id: string; member?: Member; size?: 28 | 32 | 36 | 40 | 48; show?: Show; room?: boolean }
export function Avatar({id, member, size = 32, show, room}: AvatarProps): VNode {
  const app = useApp();
  const [broken, setBroken] = useState("");
  const source = member?.avatar && /^https?:\/\//.test(new URL(member.avatar, location.href).href) ? member.avatar : "";
  return <span class={`av s${size} ${room ? "room" : ""}`} style={{"--avc-h": hue(id)}} aria-hidden="true">
    <span class="pic">{room ? <Icon d={users}/> : source && source !== broken
      ? <img src={source} alt="" referrerpolicy="no-referrer" onError={() => setBroken(source)}/>
      : app.initials(member?.name ?? id)}</span>
    {show && <span class={`pd c-${show}`}><Shape show={show}/></span>}
  </span>;
}

/** Above 99 a count is "99+"; by name it is "@". Who listens hears it in words. */
export function Badge({count, mention}: {count: number; mention?: boolean}): VNode | null {
  const {number, t} = useApp();
  if (count < 1) return null;
  return <span class={mention ? "badge m" : "badge"}><span aria-hidden="true">{mention ? "@" : count > 99 ? `${number(99)}+` : number(count)}</span>
    <span class="vh">, {t(mention ? "mentioned" : "unreadCount", {n: count})}</span></span>;
}

export const Empty = ({icon, head, text, children}: {icon: string; head: string; text: string; children?: Child}): VNode =>
  <div class="empty"><span class="eic"><Icon d={icon} c="s22"/></span><b>{head}</b><span>{text}</span>{children}</div>;

export const Rows = (): VNode => <ul class="late" aria-hidden="true">{[1, 2, 3, 4, 5].map((n) =>
  <li key={n} class="row skr"><span class="sk"/><span class="tx"><span class="sk"/><span class="sk"/></span></li>)}</ul>;
