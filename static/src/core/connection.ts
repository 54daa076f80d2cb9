/**
 * One connection to the service, whatever carries it. It promises: frames go out in order; every request is answered
 * or rejected; after a loss it comes back by itself, with jitter, resumes from its cursor, and goes down from
 * WebSocket to server-sent events to long poll where a network lets nothing better through.
 */
import {longPoll} from "./poll";
import {serverSentEvents} from "./sse";
import type {Opener, Transport} from "./transport";
import type {Frame, Hello} from "./types";
import {backoff, kept} from "./util";
import {webSocket} from "./ws";

export type Phase = "idle" | "connecting" | "online" | "lost" | "signed-out" | "refused";
export interface Status { phase: Phase; since: number; restarting?: boolean }

/** An error answer of the service; code `lost` where the connection went before the answer came. */
export class Refusal extends Error {
  constructor(readonly code: string, message = code, readonly retry = 0) {
    super(message);
  }
}

export interface Credentials { token?: string; guest?: {name: string} }

export interface ConnectionOptions {
  base: string;
  site: string;
  /** The member's credentials; `fresh` after a refusal. Null: there are none (any more). */
  credentials(fresh: boolean): Promise<Credentials | null>;
  event(frame: Frame): void;
  status(status: Status): void;
  /** `resumed`: all that was missed follows as events. Otherwise load afresh. */
  hello(reply: Hello, resumed: boolean): void;
}

const ladder: Opener[] = [webSocket, serverSentEvents, longPoll];
const HELLO_MS = 8_000;
const QUIET_MS = 20_000;
const PING_MS = 10_000;

export class Connection {
  cursor = "";
  phase: Phase = "idle";
  private transport: Transport | null = null;
  private rung = Number(kept.get("sessionStorage", "via") ?? 0) % ladder.length;
  private proven = false;
  private attempts = 0;
  private fresh = false;
  private restarting = false;
  private next = 1;
  private heard = 0;
  private since = Date.now();
  private run = 0;
  private timer = 0;
  private beat = 0;
  private readonly waiting = new Map<string, {resolve(reply: Frame): void; reject(error: Refusal): void}>();

  constructor(private readonly options: ConnectionOptions) {}

  start(): void {
    addEventListener("online", this.wake);
    document.addEventListener("visibilitychange", this.wake);
    this.say("connecting");
    void this.open();
  }

  stop(): void {
    removeEventListener("online", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
    this.drop();
    this.phase = "idle";
  }

  /** Sends `frame` and waits for its answer. Rejects with a `Refusal`. */
  request(frame: Frame): Promise<Frame> {
    if (this.phase !== "online") return Promise.reject(new Refusal("lost"));
    const id = String(this.next++);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, {resolve, reject});
      this.transport!.send({...frame, id});
    });
  }

  /** Sends `frame`, for which nobody waits. */
  tell(frame: Frame): void {
    if (this.phase === "online") this.transport!.send(frame);
  }

  /** Tries at once instead of waiting for the next attempt. */
  retry(): void {
    if (this.phase === "lost" || this.phase === "connecting") {
      this.attempts = 0;
      this.drop();
      void this.open();
    }
  }

  private readonly wake = (): void => {
    if (document.hidden) return;
    if (this.phase === "lost") this.retry();
    else if (this.phase === "online" && Date.now() - this.heard > 5_000) this.ping();
  };

  get status(): Status {
    return {phase: this.phase, since: this.since, restarting: this.restarting};
  }

  private say(phase: Phase): void {
    if (phase !== this.phase) this.since = Date.now();
    this.phase = phase;
    this.options.status(this.status);
  }

  private async open(): Promise<void> {
    const run = ++this.run;
    const credentials = await this.options.credentials(this.fresh).catch(() => undefined);
    if (run !== this.run) return;
    if (credentials === null) {
      this.say("signed-out");
      return;
    }
    if (credentials === undefined) {
      this.later();
      return;
    }
    const hello: Frame = {type: "hello", id: "0", site: this.options.site, ...credentials};
    const resuming = this.cursor;
    if (resuming) hello.resume = resuming;
    this.timer = window.setTimeout(() => this.closed(0), HELLO_MS);
    const ends = {
      frame: (frame: Frame) => { if (run === this.run) this.frame(frame, !!resuming); },
      closed: (code: number) => { if (run === this.run) this.closed(code); },
    };
    try {
      this.transport = ladder[this.rung]!(this.options.base, hello, ends);
    } catch {
      this.closed(0);
    }
  }

  private frame(frame: Frame, resuming: boolean): void {
    this.heard = Date.now();
    if (frame.id === "0") {
      clearTimeout(this.timer);
      if (frame.type === "ok") this.welcome(frame as unknown as Hello, resuming);
      else this.refused(String(frame.code), Number(frame.retry_ms ?? 0));
      return;
    }
    if (typeof frame.cursor === "string") this.cursor = frame.cursor;
    const waiting = frame.id === undefined ? undefined : this.waiting.get(frame.id);
    if (waiting) {
      this.waiting.delete(frame.id!);
      if (frame.type === "ok") waiting.resolve(frame);
      else waiting.reject(new Refusal(String(frame.code), String(frame.message), Number(frame.retry_ms ?? 0)));
    } else if (frame.type === "closing") {
      this.drop();
      this.restarting = true;
      this.say("lost");
      this.timer = window.setTimeout(() => void this.open(), Number(frame.retry_ms ?? 0) + Math.random() * 1_000);
    } else if (frame.id === undefined && frame.type !== "error") {
      this.options.event(frame);
    }
  }

  private welcome(reply: Hello, resuming: boolean): void {
    this.proven = true;
    this.restarting = false;
    this.fresh = false;
    this.attempts = 0;
    kept.set("sessionStorage", "via", String(this.rung));
    const resumed = resuming && reply.resumed !== false;
    if (!resumed) this.cursor = reply.cursor;
    this.beat = window.setInterval(() => {
      if (Date.now() - this.heard > QUIET_MS) this.ping();
    }, QUIET_MS);
    this.phase = "online";
    this.since = Date.now();
    this.options.hello(reply, resumed);
    this.say("online");
  }

  private ping(): void {
    const asked = Date.now();
    this.request({type: "ping"}).catch(() => undefined);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      if (this.heard < asked) this.closed(0);
    }, PING_MS);
  }

  private refused(code: string, wait: number): void {
    this.drop();
    if (code === "unauthorized" && !this.fresh) {
      this.fresh = true;
      void this.open();
    } else if (code === "unauthorized" || code === "bad-frame") {
      this.say("signed-out");
    } else if (code === "forbidden") {
      this.say("refused");
    } else {
      this.later(wait);
    }
  }

  private closed(code: number): void {
    const was = this.phase;
    this.drop();
    if (code === 1012) this.restarting = true;
    if (code === 4401) {
      this.refused("unauthorized", 0);
    } else if (code === 4403) {
      this.refused("forbidden", 0);
    } else if (was !== "online" && navigator.onLine !== false && (!this.proven || this.attempts % 4 === 3)) {
      // Never got through this way, or not for some time: perhaps this network lets another way through.
      this.rung = (this.rung + 1) % ladder.length;
      if (this.rung) void this.open();
      else this.later();
      if (this.proven) this.attempts++;
    } else {
      this.later(code === 4429 ? 5_000 : 0);
    }
  }

  private later(wait = 0): void {
    if (this.phase !== "connecting") this.say("lost");
    this.timer = window.setTimeout(() => void this.open(), wait + backoff(this.attempts++));
  }

  private drop(): void {
    this.run++;
    clearTimeout(this.timer);
    clearInterval(this.beat);
    this.transport?.close();
    this.transport = null;
    for (const {reject} of this.waiting.values()) reject(new Refusal("lost"));
    this.waiting.clear();
  }
}
