/** The widget's dealings with the host page: title, opener key, links to members, idleness, what is on screen. */
import {partner} from "./core/store";
import type {App} from "./ui/app";
import {later} from "./ui/later";
import {unread} from "./ui/panel";
import {show} from "./ui/window";

const IDLE_MS = 60_000;

/** Unread messages stand before the page's own title, whatever the page makes of it, and go without a trace. */
export function badgeTitle(app: App): void {
  const mark = /^\(\d+\) /;
  const paint = (): void => {
    const count = unread(app);
    const own = document.title.replace(mark, "");
    const wanted = count ? `(${count}) ${own}` : own;
    if (document.title !== wanted) document.title = wanted;
  };
  app.client.subscribe(paint);
  new MutationObserver(paint).observe(document.head, {childList: true, subtree: true, characterData: true});
}

/** `Alt+Shift+C`, or what the site chose, opens the chat; "" turns it off. */
export function openerKey({ui, config}: App): void {
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
  });
}

/** `data-avchat-member` on any element of the page opens the conversation with that member. */
export function memberLinks(app: App): void {
  document.addEventListener("click", (event) => {
    const member = (event.target as Element).closest?.("[data-avchat-member]")?.getAttribute("data-avchat-member");
    if (!member || !app.client.state.me || member === app.client.state.me.id) return;
    event.preventDefault();
    void app.client.converse([member]).then((id) => id && show(app, id));
  });
}

/** Reports when nobody has touched the page for a minute, or it is hidden, and when somebody is back. */
export function idleness({client}: App): void {
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

/** Leaving the windows for the page takes their focus mark away; what is read there is not seen any more. */
export function leaving({ui}: App): void {
  const host = (ui.root.getRootNode() as ShadowRoot).host;
  addEventListener("pointerdown", (event) => {
    if (!ui.phone && !event.composedPath().includes(host)) ui.activate(null);
  }, true);
}

/** Watches the presence of those on screen, in tabs, and of their groups; no more. */
export function watching(app: App): void {
  const {client, ui} = app;
  const visible = new Map<Element, string>();
  let last = "";
  let timer = 0;
  const observer = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      if (isIntersecting) visible.set(target, (target as HTMLElement).dataset.row!);
      else visible.delete(target);
    }
    soon();
  }, {rootMargin: "200px"});
  const observed = new WeakSet<Element>();
  const tell = (): void => {
    timer = 0;
    const {state} = client;
    if (!state.me) return;
    for (const row of ui.root.querySelectorAll("[data-row]")) {
      if (!observed.has(row)) observer.observe(row);
      observed.add(row);
    }
    const wanted = new Set<string>();
    for (const [row, id] of visible) {
      if (row.isConnected) wanted.add(id);
      else visible.delete(row);
    }
    for (const tab of state.tabs) {
      const conversation = state.conversations.get(tab.conversation);
      if (!conversation) continue;
      const other = partner(state, conversation);
      if (other) wanted.add(other);
      else if (tab.state === "open") conversation.members.forEach((id) => wanted.add(id));
    }
    wanted.delete(state.me.id);
    const ids = [...wanted].slice(0, state.limits.watch).sort();
    const now = ids.join("\n");
    if (now === last) return;
    last = now;
    client.watch(ids);
  };
  const soon = (): void => { timer ||= window.setTimeout(tell, 150); };
  client.subscribe(soon);
  ui.subscribe(soon);
}

/** The height of the bar, for pages with a sticky footer of their own. */
export function publishHeight(): void {
  document.documentElement.style.setProperty("--avc-bar-height", "44px");
}

/** Fetches the second module while the page is at rest, so that menus open at once, also without a network. */
export function atRest(app: App): void {
  const load = (): void => void later(app);
  if ("requestIdleCallback" in window) requestIdleCallback(load, {timeout: 10_000});
  else setTimeout(load, 3_000);
}
