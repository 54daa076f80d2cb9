/**
 * What a request that was answered `ok` means to the member's other pages. The service does not tell it to the
 * connection that asked, and in a browser several pages share one.
 */
import type {Frame} from "./types";

export function echo(frame: Frame, reply: Frame, me: string): Frame | null {
  const {conversation, seq, body, emoji, on} = frame;
  switch (frame.type) {
    case "message.send":
      return {
        type: "message", conversation: reply.conversation, seq: reply.seq, from: me, body, time: reply.time,
        key: frame.key, reply_to: frame.reply_to,
      };
    case "message.edit":
      return {type: "message.edited", conversation, seq, from: me, body, edited: Date.now()};
    case "message.delete":
      return {type: "message.deleted", conversation, seq, from: me};
    case "message.react":
      return {type: "message.reacted", conversation, seq, from: me, emoji, on};
    case "message.read":
      return {type: "read", conversation, seq, member: me, time: Date.now()};
    case "tabs.set":
      return {type: "tabs", tabs: frame.tabs};
    case "presence.set":
      return {type: "presence", members: {[me]: {show: frame.show, status: frame.status, since: Date.now()}}};
    default:
      return null;
  }
}
