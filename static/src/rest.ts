/** The widget's dealings with a page that has come to rest: the opener key, and whether somebody is there. */
import type {App} from "./ui/app";

const IDLE_MS = 60_000;

/** Called once, when the second module is there. */
export function settled(app: App): void {
  openerKey(app);
  idleness(app);
}

/** `Alt+Shift+C`, or what the site chose, opens the chat; "" turns it off. */
function openerKey({ui, config}: App): void {
  const parts = config.shortcut.toLowerCase().split("+");
  const key = parts.pop();
  if (!key) return;
  addEventListener("keydown", (event) => {
    const same = event.key.toLowerCase() === key || event.code === `Key${key.toUpperCase()}`;
    const held = (name: string, on: boolean): boolean => parts.includes(name) === on;
    if (event.defaultPrevented || !same || !held("alt", event.altKey) || !held("shift", event.shiftKey)
      || !held("ctrl", event.ctrlKey) || !held("meta", event.metaKey)) return;
    event.preventDefault();
    if (ui.phone) {
      ui.root.querySelector<HTMLElement>("[data-opener]")?.click();
      return;
    }
    ui.set({panel: true});
    ui.focus("[data-me], .panel input, .panel button");
  }, true);
}

/** Reports when nobody has touched the page for a minute, or it is hidden, and when somebody is back. */
function idleness({client}: App): void {
  let timer = 0;
  let idle = false;
  const say = (on: boolean): void => {
    if (on !== idle) client.idle(idle = on);
  };
  const touched = (): void => {
    clearTimeout(timer);
    if (document.hidden) return;
    say(false);
    timer = window.setTimeout(() => say(true), IDLE_MS);
  };
  for (const name of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart", "focus"]) {
    addEventListener(name, touched, {capture: true, passive: true});
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? say(true) : touched()));
  touched();
}
