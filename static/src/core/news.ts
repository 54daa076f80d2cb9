/** What happens that a page may say aloud. */
import type {Outgoing} from "./outbox";
import type {Conversation} from "./store";
import type {Message} from "./types";

/** What the UI may want to say aloud or show for a moment. */
export type News =
  | {kind: "message"; conversation: Conversation; message: Message}
  | {kind: "failed"; conversation: string; item: Outgoing}
  | {kind: "back"};
