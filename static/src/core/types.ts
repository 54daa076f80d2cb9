/** What the widget knows of the world: the wire's entities, and the settings that come with the page. */
import type {Conversation, Member, Message as Told, Presence, ReadMark, System, Tab} from "../protocol";

export type {Member, Presence, System, Tab} from "../protocol";
export type Show = Presence["show"];
export type Mark = ReadMark;
/** A conversation as it is told; the widget keeps more of it (see store.ts). */
export type Entry = Conversation;

/** A message, whole: what a deleted or hidden one lacks is empty. */
export interface Message extends Omit<Told, "conversation"> {
  from: string;
  body: string;
  time: number;
  system?: System;
}

export interface Limits { body: number; status: number; watch: number; tabs: number }

export type Frame = { type: string; id?: string } & Record<string, unknown>;

export interface Hello {
  member: Member;
  cursor: string;
  time: number;
  tabs: Tab[];
  unread: Record<string, number>;
  limits: Partial<Limits>;
  presence?: { show: Show; status: string };
  site?: { name: string };
  token?: string;
  resumed?: boolean;
}

/** What the server put into the loader. */
export interface Config {
  key: string;
  name: string;
  base: string;
  chat: string;
  locales: Record<string, string>;
  rtl: string[];
  guests: boolean;
  accent: string;
  theme: "auto" | "light" | "dark";
  side: "end" | "start";
  offset: number;
  panel: "open" | "closed";
  phone: boolean;
  shortcut: string;
}

/** What the loader hands to the chat module. */
export interface Start {
  config: Config;
  shadow: ShadowRoot;
  texts: Record<string, string>;
  lang: string;
  token?: string;
  tokenUrl?: string;
}
