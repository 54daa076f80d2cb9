/** Long poll: the transport of last resort, plain requests and answers. */
import {session} from "./session";
import type {Frame} from "./types";

export const longPoll = session((url, open, ends) => {
  const abort = new AbortController();
  let cursor = "";
  const ask = async (wait: number): Promise<Frame[]> => {
    const query = cursor && `&cursor=${encodeURIComponent(cursor)}`;
    const answer = await fetch(`${url}?wait=${wait}${query}`, {
      headers: {Accept: "application/json"}, signal: abort.signal, credentials: "omit", cache: "no-store",
    });
    if (!answer.ok) throw new Error(String(answer.status));
    return (await answer.json()) as Frame[];
  };
  const run = async (): Promise<void> => {
    let first = true;
    for (;;) {
      const frames = await ask(first ? 0 : 25);
      if (first) open();
      first = false;
      for (const frame of frames) {
        if (typeof frame.cursor === "string") cursor = frame.cursor;
        ends.frame(frame);
      }
    }
  };
  run().catch(() => ends.closed(0));
  return () => abort.abort();
});
