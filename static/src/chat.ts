/** The chat module's entry: what the loader calls. */
import {Client} from "./core/client";
import {Hub} from "./core/leader";
import type {Start} from "./core/types";
import {mount} from "./mount";
import type * as More from "./more";
import {atRest, badgeTitle, leaving, memberLinks, publishHeight, watching} from "./page";

import {kit} from "./ui/kit";
import {source} from "./ui/later";

/** The second module's address, from the build. */
declare const MORE: string;
source.load = () => (import(MORE) as Promise<{default: (shared: typeof kit) => typeof More}>).then((made) => made.default(kit));

export default function start({config, shadow, texts, lang, token, tokenUrl}: Start): void {
  const client = new Client({config, token, tokenUrl, link: (scope, ends) => new Hub(scope, config.base, config.key, ends)});
  const app = mount({shadow, config, texts, lang, client});
  for (const deal of [badgeTitle, memberLinks, leaving, watching, atRest]) deal(app);
  publishHeight();
  void client.start();
  // A page in the browser's back-forward cache holds no connection; one that comes back makes its own again.
  addEventListener("pagehide", () => client.stop());
  addEventListener("pageshow", (event) => { if (event.persisted) void client.start(); });
}
