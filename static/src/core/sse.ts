/** Server-sent events, with POSTs for what goes out. */
import {session} from "./session";
import type {Frame} from "./types";

export const serverSentEvents = session((url, open, ends) => {
  const source = new EventSource(url);
  let opened = false;
  source.onopen = () => {
    if (!opened) open();
    opened = true;
  };
  source.onmessage = ({data}) => ends.frame(JSON.parse(data as string) as Frame);
  // The browser reconnects by itself (with Last-Event-ID) unless the answer was final.
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) ends.closed(0);
  };
  return () => source.close();
});
