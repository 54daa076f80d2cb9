/** What the connection asks of a transport: carry frames in order, say once when it is over. */
import type {Frame} from "./types";

export interface Ends {
  frame(frame: Frame): void;
  /** `code` as WebSocket has it; 0 where there is none. Called once, and not after `close()`. */
  closed(code: number): void;
}

export interface Transport {
  send(frame: Frame): void;
  close(): void;
}

/** Opens towards `base` (an origin) with `hello` as its first frame. Throws where the browser has no such thing. */
export type Opener = (base: string, hello: Frame, ends: Ends) => Transport;
