/** What every part of the UI can reach, and the UI's own state: what is open, focused, being written. */
import type {Client} from "../core/client";
import type {Config, Message} from "../core/types";
import {kept} from "../core/util";
import type {Tongue} from "../i18n";
import {useContext, type VNode} from "./vdom";

export interface Item {
  label: string;
  icon?: string;
  mark?: VNode;
  end?: VNode | null;
  act(): void;
  bad?: boolean;
  /** A line before it. */
  apart?: boolean;
  checked?: boolean;
}

export interface Menu {
  anchor: HTMLElement;
  label: string;
  items?: Item[];
  head?: VNode;
  /** An emoji picker instead of items. */
  pick?(emoji: string): void;
}

export interface Notice { text: string; tone?: "err" | "ok"; action?: {label: string; act(): void} }

/** One conversation's window on this page. */
export interface Win {
  view: "log" | "members" | "invite" | "rename";
  draft: string;
  reply?: Message;
  edit?: Message;
  report?: Message;
  notice?: Notice;
}

export type View = "chats" | "people" | "new" | "settings";

export class Ui {
  panel: boolean;
  view: View = "people";
  query = "";
  active: string | null = null;
  full = false;
  page: string | null = null;
  menu: Menu | null = null;
  back = false;
  status = false;
  width = innerWidth;
  height = innerHeight;
  phone = false;
  polite = "";
  assertive = "";
  readonly used = new Map<string, number>();
  /** Messages that look deleted until they are (there is time to undo). */
  readonly going = new Map<string, () => void>();
  private readonly wins = new Map<string, Win>();
  private readonly listeners = new Set<() => void>();
  private target = "";
  private queued = false;

  constructor(readonly root: HTMLElement, readonly config: Config) {
    this.panel = (kept.get("sessionStorage", "panel") ?? config.panel) === "open";
  }

  subscribe(listener: () => void): void {
    this.listeners.add(listener);
  }

  set(patch: Partial<Pick<Ui, "panel" | "view" | "query" | "active" | "full" | "page" | "menu" | "back" | "status" | "width" | "height" | "phone" | "polite" | "assertive">>): void {
    Object.assign(this, patch);
    if (patch.panel !== undefined) kept.set("sessionStorage", "panel", patch.panel ? "open" : "closed");
    this.changed();
  }

  changed(): void {
    if (this.queued) return;
    this.queued = true;
    queueMicrotask(() => {
      this.queued = false;
      this.listeners.forEach((listener) => listener());
    });
  }

  win(id: string): Win {
    let win = this.wins.get(id);
    if (!win) this.wins.set(id, win = {view: "log", draft: kept.get("sessionStorage", `draft.${id}`) ?? ""});
    return win;
  }

  setWin(id: string, patch: Partial<Win>): void {
    Object.assign(this.win(id), patch);
    if (patch.draft !== undefined) kept.set("sessionStorage", `draft.${id}`, patch.draft || null);
    this.changed();
  }

  /** Shows a notice in a window for some seconds. */
  notify(id: string, notice: Notice, ms = 6_000): void {
    this.setWin(id, {notice});
    setTimeout(() => {
      if (this.win(id).notice === notice) this.setWin(id, {notice: undefined});
    }, ms);
  }

  activate(id: string | null): void {
    if (id) this.used.set(id, Date.now());
    if (id !== this.active) this.set({active: id});
  }

  /** Moves the focus to what `selector` finds, after the next drawing. */
  focus(selector: string): void {
    this.target = selector;
    this.changed();
  }

  /** Moves the focus to where one writes in a conversation. */
  write(id: string): void {
    this.focus(`${of("win", id)} textarea`);
  }

  /** Called after each drawing. */
  settle(): void {
    const found = this.target && this.root.querySelector<HTMLElement>(this.target);
    if (!found) return;
    this.target = "";
    found.focus();
  }

  closeMenu(refocus = true): void {
    const {menu} = this;
    if (!menu) return;
    this.set({menu: null});
    if (refocus && menu.anchor.isConnected) menu.anchor.focus();
  }

  /** Reads `text` to those who listen. */
  say(text: string, assertive = false): void {
    // The same words twice are read twice only if they differ.
    const last = assertive ? this.assertive : this.polite;
    const fresh = text === last ? `${text}\u00a0` : text;
    this.set(assertive ? {assertive: fresh} : {polite: fresh});
  }
}

export interface App extends Tongue {
  client: Client;
  ui: Ui;
  config: Config;
  rtl: boolean;
}

export const useApp = (): App => useContext<App>();

/** A selector for the window or tab of a conversation. */
export const of = (kind: "win" | "tab" | "box", id: string): string => `[data-${kind}="${CSS.escape(id)}"]`;
export const first = (name: string): string => name.split(" ")[0]!;
