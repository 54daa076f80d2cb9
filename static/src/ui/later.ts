/** Fetches the second module when something of it is first needed, and draws again when it is there. */
import type * as More from "../more";
import type {App} from "./app";

/** Where it is, seen from this module; and what it shares with it. Set once by the entry. */
export const source: {load(): Promise<typeof More>} = {load: () => Promise.reject(new Error("nothing to load from"))};
let module: typeof More | null = null;
let asked: Promise<typeof More> | null = null;

function fetched({ui}: Pick<App, "ui">): Promise<typeof More> {
  asked ??= source.load().then((loaded) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(loaded.sheet);
    const shadow = ui.root.getRootNode() as ShadowRoot;
    shadow.adoptedStyleSheets = [...shadow.adoptedStyleSheets, sheet];
    module = loaded;
    ui.changed();
    return loaded;
  });
  asked.catch(() => setTimeout(() => {
    asked = null;
    ui.changed();
  }, 5_000));
  return asked;
}

/** The second module, or null while it is on its way; a failed load is tried again. */
export function later(app: Pick<App, "ui">): typeof More | null {
  if (!module) fetched(app).catch(() => undefined);
  return module;
}

/** Does `what` with the second module: at once if it is there. */
export function soon(app: App, what: (more: typeof More) => void): void {
  if (module) what(module);
  else fetched(app).then(what, () => undefined);
}
