/** Lists that are loaded page by page. */
import type {Frame} from "./types";

export const PAGE = 50;

export interface Pages { ids: string[]; more: boolean; cursor: string; state: "none" | "loading" | "loaded" | "failed" }
export const pages = (): Pages => ({ids: [], more: true, cursor: "", state: "none"});

/** Loads the next page of `list` with `ask`; `take` brings an answer in and gives its ids. */
export async function turn(list: Pages, ask: (page: {limit: number; cursor?: string}) => Promise<Frame>,
  take: (reply: Frame) => string[], changed: () => void): Promise<void> {
  if (list.state === "loading" || !list.more) return;
  list.state = "loading";
  changed();
  try {
    const reply = await ask({limit: PAGE, ...(list.cursor ? {cursor: list.cursor} : {})});
    list.ids = [...new Set([...list.ids, ...take(reply)])];
    list.more = !!reply.more;
    list.cursor = (reply.cursor as string | undefined) ?? "";
    list.state = "loaded";
  } catch {
    list.state = "failed";
  }
  changed();
}
