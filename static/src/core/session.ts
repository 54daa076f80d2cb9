/**
 * An HTTP session: frames go out as POSTs, one at a time so that they stay in order; events come by the stream that
 * is given (server-sent events, long poll).
 */
import type {Ends, Opener} from "./transport";
import type {Frame} from "./types";

/** Reads events from `url`, tells `open()` once the first answer stands, returns what stops it. */
export type Stream = (url: string, open: () => void, ends: Ends) => () => void;

const json = {"Content-Type": "application/json"};

export const session = (stream: Stream): Opener => (base, hello, ends) => {
  let url = "";
  let over = false;
  let busy = false;
  let stop = (): void => undefined;
  const queue: Frame[] = [];

  const guarded: Ends = {
    frame: (frame) => { if (!over) ends.frame(frame); },
    closed(code) {
      if (over) return;
      over = true;
      stop();
      ends.closed(code);
    },
  };
  const post = (to: string, body: unknown): Promise<Response> =>
    fetch(to, {method: "POST", headers: json, body: JSON.stringify(body), credentials: "omit"});

  const flush = async (): Promise<void> => {
    if (busy || !url || !queue.length || over) return;
    busy = true;
    const batch = queue.splice(0, 50);
    try {
      const answer = await post(`${url}/frames`, batch);
      const replies = (await answer.json()) as Frame[];
      if (!answer.ok || !Array.isArray(replies)) throw new Error(String(answer.status));
      replies.forEach(guarded.frame);
      busy = false;
      void flush();
    } catch {
      guarded.closed(0);
    }
  };

  post(`${base}/im/v1/sessions`, hello).then(async (answer) => {
    const reply = (await answer.json()) as Frame;
    if (typeof reply.session !== "string") {
      guarded.frame(reply);
      guarded.closed(0);
      return;
    }
    if (over) return;
    url = `${base}/im/v1/sessions/${encodeURIComponent(reply.session)}`;
    // The hello counts as answered only when events arrive too: a proxy that holds them back is found out here.
    stop = stream(`${url}/events`, () => {
      guarded.frame(reply);
      void flush();
    }, guarded);
  }).catch(() => guarded.closed(0));

  return {
    send(frame) {
      queue.push(frame);
      void flush();
    },
    close() {
      over = true;
      stop();
      if (url) void fetch(url, {method: "DELETE", keepalive: true, credentials: "omit"}).catch(() => undefined);
    },
  };
};
