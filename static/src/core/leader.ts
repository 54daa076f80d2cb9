/**
 * One connection for all pages of a browser. The page that holds a Web Lock leads: it has the connection, and the
 * others ask and listen over a BroadcastChannel. Without Web Locks (plain http) the pages elect a leader over the
 * channel; without a channel each page connects for itself. A leader that does not answer is replaced.
 */
import {Connection, Refusal, type Credentials, type Status} from "./connection";
import {echo} from "./echo";
import type {Frame, Hello, Presence} from "./types";
import {uid} from "./util";

/** How a page reaches the service. */
export interface Link {
  readonly leading: boolean;
  request(frame: Frame): Promise<Frame>;
  tell(frame: Frame): void;
  /** All members whose presence this page shows now. */
  watch(members: string[]): void;
  idle(on: boolean): void;
  retry(): void;
  start(): void;
  stop(): void;
}

export interface LinkEnds {
  credentials(fresh: boolean): Promise<Credentials | null>;
  event(frame: Frame): void;
  status(status: Status): void;
  hello(reply: Hello, resumed: boolean): void;
  /** What a page that joins now must know: the hello's answer, brought up to date. Null before there was one. */
  snapshot(): Hello | null;
  me(): string;
}

interface Peer { seen: number; idle: boolean; watched: string[] }
type Note = {k: string; from: string; to?: string} & Record<string, unknown>;

const ASK_MS = 3_000;
const SILENT_MS = 10_000;
const GONE_MS = 150_000;

export class Hub implements Link {
  leading = false;
  private readonly page = uid();
  private channel: BroadcastChannel | null = null;
  private connection: Connection | null = null;
  private release: (() => void) | null = null;
  private readonly peers = new Map<string, Peer>();
  private readonly waiting = new Map<number, {resolve(reply: Frame): void; reject(error: Refusal): void}>();
  private readonly known = new Map<string, Presence>();
  private watching = new Set<string>();
  private wanted: string[] = [];
  private resting = false;
  private reported = false;
  private next = 1;
  private cursor = "";
  private leader = "";
  private answered = 0;
  private timers: number[] = [];

  constructor(private readonly scope: string, private readonly base: string, private readonly site: string,
    private readonly ends: LinkEnds) {}

  start(): void {
    try {
      this.channel = new BroadcastChannel(`avchat.${this.scope}`);
    } catch {
      this.lead();
      return;
    }
    this.channel.onmessage = ({data}: MessageEvent<Note>) => {
      if (!data.to || data.to === this.page) this.heard(data);
    };
    this.answered = Date.now();
    this.post({k: "ask"});
    this.timers.push(window.setInterval(() => this.tick(), ASK_MS));
    this.queue(false);
  }

  stop(): void {
    this.timers.forEach(clearInterval);
    this.timers = [];
    this.post({k: "bye"});
    this.resign();
    this.channel?.close();
    this.channel = null;
  }

  request(frame: Frame): Promise<Frame> {
    if (this.connection) return this.ask(frame, this.page);
    const n = this.next++;
    this.post({k: "request", to: this.leader, n, frame});
    return new Promise((resolve, reject) => {
      this.waiting.set(n, {resolve, reject});
      setTimeout(() => this.settle(n, (x) => x.reject(new Refusal("lost"))), 20_000);
    });
  }

  tell(frame: Frame): void {
    if (this.connection) this.connection.tell(frame);
    else this.post({k: "tell", to: this.leader, frame});
  }

  watch(members: string[]): void {
    this.wanted = members;
    if (this.connection) this.rewatch();
    else this.post({k: "ask", watched: members});
  }

  idle(on: boolean): void {
    this.resting = on;
    if (this.connection) this.report();
    else this.post({k: "ask", idle: on});
  }

  retry(): void {
    if (this.connection) this.connection.retry();
    else this.post({k: "retry"});
  }

  private post(note: Omit<Note, "from">): void {
    this.channel?.postMessage({...note, from: this.page});
  }

  // ── who leads ──
  private queue(steal: boolean): void {
    if (!navigator.locks) {
      this.timers.push(window.setTimeout(() => this.elect(), 200 + Math.random() * 200));
      return;
    }
    navigator.locks.request(`avchat.${this.scope}`, {steal}, () => {
      if (!this.channel) return undefined;
      this.lead();
      return new Promise<void>((done) => { this.release = done; });
    }).catch(() => {
      // Another page took over because this one did not answer; it waits for its turn again.
      if (!this.channel) return;
      this.resign();
      this.queue(false);
    });
  }

  private elect(): void {
    if (!this.leader && !this.leading) {
      this.post({k: "claim"});
      this.timers.push(window.setTimeout(() => { if (!this.leader) this.lead(); }, 200));
    }
  }

  private lead(): void {
    if (this.leading) return;
    this.leading = true;
    this.leader = this.page;
    this.fail();
    const connection = this.connection = new Connection({
      base: this.base, site: this.site, credentials: this.ends.credentials,
      event: (frame) => this.spread(frame),
      status: (status) => {
        this.ends.status(status);
        this.post({k: "lead", status});
      },
      hello: (reply, resumed) => {
        this.watching = new Set();
        this.reported = false;
        this.cursor = connection.cursor;
        this.ends.hello(reply, resumed);
        this.post({k: "lead", hello: reply, resumed});
        this.rewatch();
        this.report();
      },
    });
    connection.cursor = this.cursor;
    connection.start();
  }

  private resign(): void {
    this.leading = false;
    this.leader = "";
    this.connection?.stop();
    this.connection = null;
    this.release?.();
    this.release = null;
    this.peers.clear();
  }

  private tick(): void {
    const now = Date.now();
    if (this.leading) {
      for (const [page, peer] of this.peers) if (now - peer.seen > GONE_MS) this.forget(page);
      return;
    }
    // Who has not heard a hello yet asks for it again: the first asking may have met a leader without a connection.
    this.post({k: "ask", idle: this.resting, watched: this.wanted, join: !this.cursor});
    if (now - this.answered > SILENT_MS && !document.hidden) {
      this.answered = now;
      this.leader = "";
      this.fail();
      this.queue(true);
    }
  }

  private forget(page: string): void {
    if (this.peers.delete(page)) {
      this.rewatch();
      this.report();
    }
  }

  // ── the channel ──
  private heard(note: Note): void {
    const {k, from} = note;
    if (this.leading) this.serve(note);
    if (k === "lead") {
      if (this.leading) {
        // Two lead (only without locks): the lower id stays.
        if (from > this.page) this.post({k: "lead", to: from});
        else if (!navigator.locks) this.resign();
        else return;
      }
      if (this.leading) return;
      this.follow(note);
    } else if (k === "claim") {
      if (from < this.page && !this.leading) this.leader = from;
    } else if (k === "event") {
      if (note.except !== this.page) this.take(note.frame as Frame);
    } else if (k === "answer") {
      const reply = note.reply as Frame;
      this.settle(note.n as number, ({resolve, reject}) => {
        if (reply.type === "ok") resolve(reply);
        else reject(new Refusal(String(reply.code), String(reply.message), Number(reply.retry_ms ?? 0)));
      });
    } else if (k === "bye" && from === this.leader) {
      this.leader = "";
      this.fail();
      if (!navigator.locks) this.queue(false);
    }
  }

  private follow(note: Note): void {
    this.answered = Date.now();
    const joined = this.leader !== note.from;
    this.leader = note.from;
    if (joined) {
      this.fail();
      this.post({k: "ask", to: note.from, idle: this.resting, watched: this.wanted, join: !this.cursor});
    }
    if (note.hello) {
      const reply = note.hello as Hello;
      if (!note.resumed) this.cursor = reply.cursor;
      this.ends.hello(reply, !!note.resumed);
    }
    if (note.status) this.ends.status(note.status as Status);
  }

  private serve(note: Note): void {
    const {k, from} = note;
    if (k === "ask") {
      const peer = this.peers.get(from) ?? {seen: 0, idle: false, watched: []};
      peer.seen = Date.now();
      peer.idle = (note.idle as boolean | undefined) ?? peer.idle;
      peer.watched = (note.watched as string[] | undefined) ?? peer.watched;
      this.peers.set(from, peer);
      // Who joins asks for its lists at once: before there is a connection it waits for the hello.
      const snapshot = note.join && this.connection!.phase === "online" ? this.ends.snapshot() : null;
      const hello = snapshot && {...snapshot, cursor: this.cursor};
      this.post({k: "lead", to: from, status: note.watched && this.connection!.status, hello});
      if (note.watched) this.rewatch(peer.watched);
      this.report();
    } else if (k === "request") {
      const send = (reply: Frame): void => this.post({k: "answer", to: from, n: note.n, reply});
      this.ask(note.frame as Frame, from).then(send, (error: Refusal) =>
        send({type: "error", code: error.code, message: error.message, retry_ms: error.retry}));
    } else if (k === "tell") {
      this.connection!.tell(note.frame as Frame);
    } else if (k === "retry") {
      this.connection!.retry();
    } else if (k === "bye") {
      this.forget(from);
    }
  }

  private async ask(frame: Frame, page: string): Promise<Frame> {
    const reply = await this.connection!.request(frame);
    const event = echo(frame, reply, this.ends.me());
    if (event) {
      if (page !== this.page) this.ends.event(event);
      this.post({k: "event", except: page, frame: event});
    }
    return reply;
  }

  private settle(n: number, how: (x: {resolve(reply: Frame): void; reject(error: Refusal): void}) => void): void {
    const waiting = this.waiting.get(n);
    this.waiting.delete(n);
    if (waiting) how(waiting);
  }

  private fail(): void {
    for (const n of [...this.waiting.keys()]) this.settle(n, (x) => x.reject(new Refusal("lost")));
  }

  private spread(frame: Frame): void {
    this.take(frame);
    this.post({k: "event", frame});
  }

  private take(frame: Frame): void {
    if (typeof frame.cursor === "string") this.cursor = frame.cursor;
    if (frame.type === "presence") {
      for (const [id, presence] of Object.entries(frame.members as Record<string, Presence>)) this.known.set(id, presence);
    }
    this.ends.event(frame);
  }

  // ── what all pages together watch, and whether all are idle ──
  private rewatch(asked: string[] = []): void {
    const union = new Set(this.wanted);
    for (const peer of this.peers.values()) peer.watched.forEach((id) => union.add(id));
    const added = [...union].filter((id) => !this.watching.has(id)).slice(0, 1_000);
    const removed = [...this.watching].filter((id) => !union.has(id));
    if (removed.length) {
      removed.forEach((id) => this.known.delete(id));
      this.connection?.request({type: "presence.unwatch", members: removed}).catch(() => undefined);
    }
    if (added.length) {
      this.connection?.request({type: "presence.watch", members: added}).then((reply) =>
        this.spread({type: "presence", members: reply.presence}), () => undefined);
    }
    this.watching = new Set([...union].filter((id) => !removed.includes(id)));
    const now = asked.filter((id) => this.known.has(id));
    if (now.length) this.post({k: "event", frame: {type: "presence", members: Object.fromEntries(now.map((id) => [id, this.known.get(id)]))}});
  }

  private report(): void {
    const all = this.resting && [...this.peers.values()].every((peer) => peer.idle);
    if (all === this.reported || this.connection?.phase !== "online") return;
    this.reported = all;
    this.connection.request({type: "presence.idle", on: all}).catch(() => undefined);
  }
}
