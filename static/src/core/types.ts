/** What the widget knows of the world: the wire's entities, and the settings that come with the page. */

export type Show = "online" | "chat" | "away" | "xa" | "dnd" | "invisible" | "offline";

export interface Member { id: string; name: string; avatar?: string | null; role?: string; url?: string | null }
export interface Presence { show: Show; status: string; since: number }
export interface System { kind: string; member?: string; by?: string; name?: string }

export interface Message {
  seq: number;
  from: string;
  body: string;
  time: number;
  key?: string;
  edited?: number;
  reply_to?: number;
  reactions?: Record<string, string[]>;
  deleted?: boolean;
  hidden?: boolean;
  system?: System;
}

export interface Mark { seq: number; time: number }
export interface Entry {
  conversation: string;
  kind: "pair" | "group";
  name: string;
  members: Member[];
  last: Message | null;
  unread: number;
  read: Record<string, Mark>;
  seq: number;
  left?: boolean;
}

export interface Tab { conversation: string; state: "open" | "minimized" }
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
