// Generated from im/protocol.py and im/events.py by `manage.py contract`.

export type ErrorCode = "bad-frame" | "unknown-type" | "unauthorized" | "forbidden" | "not-found" | "too-large" | "rate-limited" | "conflict" | "unavailable";

/** A member as others see it. Member ids are the site's own. */
export interface Member {
  id: string;
  name: string;
  avatar: string | null;
  role: string;
  url?: string;
}

/** How a member is, and since when (ms since 1970; offline: last seen; 0: never). */
export interface Presence {
  show: "online" | "chat" | "away" | "xa" | "dnd" | "invisible" | "offline";
  status: string;
  since: number;
}

/** A member's own choice of presence. */
export interface Choice {
  show: "online" | "chat" | "away" | "xa" | "dnd" | "invisible";
  status: string;
}

/** Up to where, and when (ms since 1970), a member has read. */
export interface ReadMark {
  seq: number;
  time: number;
}

/** An entry that the service made: a member joined (brought in by another) or left. */
export interface System {
  kind: "joined" | "left";
  member: string;
  by?: string;
}

/** A message. `hidden`: sent by somebody whom the reader had blocked; nothing else of it is told. */
export interface Message {
  conversation: string;
  seq: number;
  from?: string;
  body?: string;
  time?: number;
  key?: string;
  reply_to?: number;
  edited?: number;
  deleted?: boolean;
  hidden?: boolean;
  system?: System;
  reactions?: Record<string, string[]>;
}

/** A conversation as one of its members sees it. `left`: the reader is no longer in it. */
export interface Conversation {
  conversation: string;
  kind: "pair" | "group";
  name: string;
  seq: number;
  members: Member[];
  last: Message | null;
  unread: number;
  read: Record<string, ReadMark>;
  left?: boolean;
}

/** Who comes without an account. */
export interface Guest {
  name: string;
}

/** Where a message goes: to a member, by the site's own id, or into a conversation. Exactly one of both. */
export interface Target {
  member: string | null;
  conversation: string | null;
}

/** A conversation's tab: open, or minimised. */
export interface Tab {
  conversation: string;
  state: "open" | "minimized";
}

/** The first frame: who am I, on which site, and from where on do I want what I missed. */
export interface Hello {
  type: "hello";
  site: string;
  token?: string | null;
  guest?: Guest | null;
  resume?: string | null;
  id?: string | null;
}

/** Stores a message. Sent again with the same key: the same answer, and no second message. */
export interface MessageSend {
  type: "message.send";
  to: Target;
  body: string;
  key: string;
  reply_to?: number | null;
  attachments?: unknown[] | null;
  id?: string | null;
}

/** Gives the caller's own message another body. */
export interface MessageEdit {
  type: "message.edit";
  conversation: string;
  seq: number;
  body: string;
  id?: string | null;
}

/** Takes the body out of the caller's own message (a moderator: of anybody's); its seq stays. */
export interface MessageDelete {
  type: "message.delete";
  conversation: string;
  seq: number;
  id?: string | null;
}

/** Puts an emoji on a message, or takes it off. */
export interface MessageReact {
  type: "message.react";
  conversation: string;
  seq: number;
  emoji: string;
  on: boolean;
  id?: string | null;
}

/** The caller has read all up to seq; others see `read`. */
export interface MessageRead {
  type: "message.read";
  conversation: string;
  seq: number;
  id?: string | null;
}

/** The caller is typing, or no longer. Never stored. */
export interface Typing {
  type: "typing";
  conversation: string;
  on: boolean;
  id?: string | null;
}

/** The messages before a seq (or the last ones), oldest first. */
export interface History {
  type: "history";
  conversation: string;
  before?: number | null;
  limit?: number;
  id?: string | null;
}

/** The caller's conversations, the latest message first; or just those of `ids`. */
export interface Conversations {
  type: "conversations";
  cursor?: string | null;
  limit?: number;
  ids?: string[] | null;
  id?: string | null;
}

/** A new group; or, with one member and no name, the conversation of two with that member. */
export interface ConversationCreate {
  type: "conversation.create";
  members: string[];
  name?: string | null;
  id?: string | null;
}

/** Takes members into a group; they read its whole history. */
export interface ConversationInvite {
  type: "conversation.invite";
  conversation: string;
  members: string[];
  id?: string | null;
}

/** The caller is no longer in the group. */
export interface ConversationLeave {
  type: "conversation.leave";
  conversation: string;
  id?: string | null;
}

/** Gives a group another name. */
export interface ConversationRename {
  type: "conversation.rename";
  conversation: string;
  name: string;
  id?: string | null;
}

/** Which tabs the member has, on all pages and devices. */
export interface TabsSet {
  type: "tabs.set";
  tabs: Tab[];
  id?: string | null;
}

/** This page has been without input, or has it again. */
export interface PresenceIdle {
  type: "presence.idle";
  on: boolean;
  id?: string | null;
}

/** The member's own choice, on all pages, kept over reconnects. */
export interface PresenceSet {
  type: "presence.set";
  show: "online" | "chat" | "away" | "xa" | "dnd" | "invisible";
  status?: string;
  id?: string | null;
}

/** Tells the presence of members now, and whenever it changes, on this connection. */
export interface PresenceWatch {
  type: "presence.watch";
  members: string[];
  id?: string | null;
}

/** No longer. */
export interface PresenceUnwatch {
  type: "presence.unwatch";
  members: string[];
  id?: string | null;
}

/** The site's directory: by the beginning of a word of the name, those online, or just those of `ids`. */
export interface Members {
  type: "members";
  query?: string;
  online?: boolean;
  cursor?: string | null;
  limit?: number;
  ids?: string[] | null;
  id?: string | null;
}

/** The members that the caller has added, and those blocked. */
export interface Contacts {
  type: "contacts";
  id?: string | null;
}

/** Adds a member to the caller's contacts. */
export interface ContactAdd {
  type: "contact.add";
  member: string;
  id?: string | null;
}

/** Takes a member out of the caller's contacts. */
export interface ContactRemove {
  type: "contact.remove";
  member: string;
  id?: string | null;
}

/** Blocks a member, who cannot tell. */
export interface BlockAdd {
  type: "block.add";
  member: string;
  id?: string | null;
}

/** Lifts a block. What was sent while it held stays hidden. */
export interface BlockRemove {
  type: "block.remove";
  member: string;
  id?: string | null;
}

/** Brings a message to the moderators' notice. */
export interface Report {
  type: "report";
  conversation: string;
  seq: number;
  reason?: string;
  id?: string | null;
}

/** Answered at once. */
export interface Ping {
  type: "ping";
  id?: string | null;
}

export type ClientFrame =
  | Hello
  | MessageSend
  | MessageEdit
  | MessageDelete
  | MessageReact
  | MessageRead
  | Typing
  | History
  | Conversations
  | ConversationCreate
  | ConversationInvite
  | ConversationLeave
  | ConversationRename
  | TabsSet
  | PresenceIdle
  | PresenceSet
  | PresenceWatch
  | PresenceUnwatch
  | Members
  | Contacts
  | ContactAdd
  | ContactRemove
  | BlockAdd
  | BlockRemove
  | Report
  | Ping;

/** What was asked is refused, and why. */
export interface Error {
  type: "error";
  id?: string;
  code: "bad-frame" | "unknown-type" | "unauthorized" | "forbidden" | "not-found" | "too-large" | "rate-limited" | "conflict" | "unavailable";
  message: string;
  retry_ms?: number;
}

/** A new message. `key` only to its own sender's other pages. */
export interface MessageEvent {
  type: "message";
  conversation: string;
  seq: number;
  from?: string;
  body?: string;
  time?: number;
  key?: string;
  reply_to?: number;
  edited?: number;
  deleted?: boolean;
  hidden?: boolean;
  system?: System;
  reactions?: Record<string, string[]>;
  cursor?: string;
}

/** A message has another body. */
export interface MessageEditedEvent {
  type: "message.edited";
  conversation: string;
  seq: number;
  from: string;
  body: string;
  edited: number;
  cursor: string;
}

/** A message has lost its body; `from`: who took it out. */
export interface MessageDeletedEvent {
  type: "message.deleted";
  conversation: string;
  seq: number;
  from?: string;
  cursor: string;
}

/** Somebody put an emoji on a message, or took it off. */
export interface MessageReactedEvent {
  type: "message.reacted";
  conversation: string;
  seq: number;
  from: string;
  emoji: string;
  on: boolean;
  cursor: string;
}

/** A member has read all up to seq; also to the member's own other pages. */
export interface ReadEvent {
  type: "read";
  conversation: string;
  member: string;
  seq: number;
  time: number;
  cursor: string;
}

/** A member is typing, or no longer. May be lost. */
export interface TypingEvent {
  type: "typing";
  conversation: string;
  member: string;
  on: boolean;
}

/** How members are: those watched, and the member itself with its own choice. May be lost. */
export interface PresenceEvent {
  type: "presence";
  members: Record<string, Presence>;
}

/** The member's tabs have changed on another page or device. */
export interface TabsEvent {
  type: "tabs";
  tabs: Tab[];
  cursor: string;
}

/** The member's contacts or blocks have changed. */
export interface ContactsEvent {
  type: "contacts";
  contacts: Member[];
  blocked: Member[];
  cursor: string;
}

/** A conversation is new or has changed: its name, its members, or that the reader has left it. */
export interface ConversationEvent {
  type: "conversation";
  conversation: string;
  kind: "pair" | "group";
  name: string;
  seq: number;
  members: Member[];
  last: Message | null;
  unread: number;
  read: Record<string, ReadMark>;
  left?: boolean;
  cursor: string;
}

/** The server ends this connection; come back after `retry_ms` milliseconds. */
export interface ClosingEvent {
  type: "closing";
  reason: string;
  retry_ms: number;
}

export type ServerFrame =
  | Error
  | MessageEvent
  | MessageEditedEvent
  | MessageDeletedEvent
  | MessageReactedEvent
  | ReadEvent
  | TypingEvent
  | PresenceEvent
  | TabsEvent
  | ContactsEvent
  | ConversationEvent
  | ClosingEvent;

/** The answer to a frame that took effect. */
export interface Ok {
  type: "ok";
  id?: string;
}

/** The answer to `hello`. `token`: makes the same guest again. `resumed`: false for a cursor unknown or too old. */
export interface HelloOk {
  type: "ok";
  id?: string;
  member: Member;
  cursor: string;
  time: number;
  tabs: Tab[];
  unread: Record<string, number>;
  limits: Record<string, number>;
  presence: Choice;
  site: Record<string, string>;
  token?: string;
  resumed?: boolean;
  session?: string;
}

/** The answer to `message.send`: stored, and where. */
export interface SendOk {
  type: "ok";
  id?: string;
  conversation: string;
  seq: number;
  time: number;
}

/** The answer to `message.edit`; `edited` in ms since 1970. */
export interface EditOk {
  type: "ok";
  id?: string;
  edited: number;
}

/** The answer to `history`, oldest first. */
export interface HistoryOk {
  type: "ok";
  id?: string;
  messages: Message[];
  more: boolean;
}

/** The answer to `conversations`. */
export interface ConversationsOk {
  type: "ok";
  id?: string;
  conversations: Conversation[];
  more: boolean;
  cursor?: string;
}

/** The answer to `conversation.create`, `.invite`, `.leave`, `.rename`. */
export interface ConversationOk {
  type: "ok";
  id?: string;
  conversation: string;
}

/** The answer to `presence.watch`. */
export interface PresenceOk {
  type: "ok";
  id?: string;
  presence: Record<string, Presence>;
}

/** The answer to `members`. `online`: how many others the caller can see online on the site. */
export interface MembersOk {
  type: "ok";
  id?: string;
  members: Member[];
  more: boolean;
  online: number;
  cursor?: string;
}

/** The answer to `contacts`. */
export interface ContactsOk {
  type: "ok";
  id?: string;
  contacts: Member[];
  blocked: Member[];
}
