/** The widget's dealings with the host page: title, links to members, what is on screen. */
import {partner} from "./core/store";
import type {App} from "./ui/app";
import {soon} from "./ui/later";
import {unread} from "./ui/panel";
import {show} from "./ui/window";

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

/** `data-avchat-member` on any element of the page opens the conversation with that member. */
export function memberLinks(app: App): void {
  document.addEventListener("click", (event) => {
    const member = (event.target as Element).closest?.("[data-avchat-member]")?.getAttribute("data-avchat-member");
    if (!member || !app.client.state.me || member === app.client.state.me.id) return;
    event.preventDefault();
    void app.client.converse([member]).then((id) => id && show(app, id));
  });
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

/** Fetches the second module once the page is at rest: menus then open at once, also without a network. */
export function atRest(app: App): void {
  const load = (): void => soon(app, (more) => more.settled(app));
  if ("requestIdleCallback" in window) requestIdleCallback(load, {timeout: 5_000});
  else setTimeout(load, 2_000);
}
