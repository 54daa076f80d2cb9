/**
 * Messages on their way. Each has an idempotency key, so that sending it again makes no second message; in a
 * conversation they go out one after another, in order. A message waits while there is no connection and has failed
 * only when the service refuses it, or after two minutes.
 */
import {Refusal} from "./connection";
import type {Frame} from "./types";
import {kept, uid} from "./util";

export interface Outgoing {
  key: string;
  conversation: string;
  body: string;
  reply_to?: number;
  time: number;
  /** When it was last put up for sending: a retried message gets its two minutes anew. */
  tried: number;
  failed?: boolean;
}

export interface OutboxEnds {
  send(frame: Frame): Promise<Frame>;
  sent(message: Outgoing, reply: Frame): void;
  failed(message: Outgoing, code: string): void;
  /** The service asks for patience in a conversation until this time (ms since 1970). */
  slowed(conversation: string, until: number): void;
  changed(): void;
}

export const PATIENCE_MS = 120_000;
const REFUSED = new Set(["forbidden", "not-found", "too-large", "bad-frame", "conflict", "unknown-type"]);

export class Outbox {
  items: Outgoing[] = [];
  private readonly busy = new Set<string>();
  private name = "";
  private online = false;
  private timer = 0;

  constructor(private readonly ends: OutboxEnds, private readonly now: () => number = Date.now) {}

  /** Takes up what an earlier page of `scope` left unsent. */
  restore(scope: string): void {
    this.name = `outbox.${scope}`;
    const items = JSON.parse(kept.get("sessionStorage", this.name) ?? "[]") as Outgoing[];
    this.items = [...items.filter((item) => this.items.every((x) => x.key !== item.key)), ...this.items];
    this.changed();
  }

  of(conversation: string): Outgoing[] {
    return this.items.filter((item) => item.conversation === conversation);
  }

  add(conversation: string, body: string, reply_to?: number): Outgoing {
    const item: Outgoing = {key: uid(), conversation, body, reply_to, time: this.now(), tried: this.now()};
    this.items.push(item);
    this.changed();
    this.flush();
    return item;
  }

  retry(key: string): void {
    const item = this.items.find((x) => x.key === key);
    if (!item) return;
    item.failed = false;
    item.tried = this.now();
    this.changed();
    this.flush();
  }

  discard(key: string): void {
    this.items = this.items.filter((item) => item.key !== key);
    this.changed();
  }

  connected(online: boolean): void {
    this.online = online;
    this.flush();
  }

  /** Sends what can go, and gives up what has waited too long. */
  flush(): void {
    clearTimeout(this.timer);
    let next = Infinity;
    for (const item of this.items) {
      if (item.failed || this.busy.has(item.conversation)) continue;
      const left = item.tried + PATIENCE_MS - this.now();
      if (left <= 0) this.fail(item, "timeout");
      else if (this.online) void this.send(item);
      else next = Math.min(next, left);
    }
    if (next < Infinity) this.timer = setTimeout(() => this.flush(), next) as unknown as number;
  }

  private async send(item: Outgoing): Promise<void> {
    const {conversation, body, key, reply_to} = item;
    this.busy.add(conversation);
    let wait = 0;
    try {
      const reply = await this.ends.send({
        type: "message.send", to: {conversation}, body, key, ...(reply_to ? {reply_to} : {}),
      });
      this.items = this.items.filter((x) => x !== item);
      this.ends.sent(item, reply);
    } catch (error) {
      const {code, retry} = error as Refusal;
      if (REFUSED.has(code)) this.fail(item, code);
      else if (code === "rate-limited") {
        wait = retry || 1_000;
        this.ends.slowed(conversation, this.now() + wait);
      } else if (code === "lost") wait = 1_000;
      else wait = retry || 2_000;
    }
    const free = (): void => {
      this.busy.delete(conversation);
      this.flush();
    };
    if (wait) setTimeout(free, wait);
    else free();
    this.changed();
  }

  private fail(item: Outgoing, code: string): void {
    item.failed = true;
    this.ends.failed(item, code);
    this.changed();
  }

  private changed(): void {
    if (this.name) kept.set("sessionStorage", this.name, this.items.length ? JSON.stringify(this.items) : null);
    this.ends.changed();
  }
}
