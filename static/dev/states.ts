/** Every state of the widget on one sheet, each on a fake core of its own: ?theme=dark */
import en from "../locales/en.json";
import names from "../locales/emoji/en.json";
import type {Config} from "../src/core/types";
import {tongue} from "../src/i18n";
import * as more from "../src/more";
import {style} from "../src/mount";
import {Ui, type App} from "../src/ui/app";
import {source as emoji} from "../src/ui/emoji";
import {later, source} from "../src/ui/later";
import {Out} from "../src/ui/out";
import {Chats, Panel, People} from "../src/ui/panel";
import {h, render, useEffect, useRedraw, type VNode} from "../src/ui/vdom";
import {Window} from "../src/ui/window";
import {fake, type FakeLink, type Scene} from "./fake";
import {scene} from "./scene";

source.load = () => Promise.resolve(more);
emoji.load = () => Promise.resolve({default: names});
const theme = new URLSearchParams(location.search).get("theme") ?? "light";
document.documentElement.dataset.theme = theme;

interface Cell {
  label: string;
  height?: number;
  scene?(base: Scene): void;
  config?: Partial<Config>;
  before?(link: FakeLink): void;
  setup?(app: App, link: FakeLink): void;
  draw(app: App): VNode | null;
}

function cell({label, height = 330, scene: change, config: patch, before, setup, draw}: Cell): void {
  const box = document.createElement("div");
  const title = document.createElement("label");
  title.textContent = label;
  const host = document.createElement("div");
  box.append(title, host);
  document.querySelector("main")!.append(box);
  const shadow = host.attachShadow({mode: "open"});
  style(shadow);
  const own = new CSSStyleSheet();
  own.replaceSync(more.sheet);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`.win,.panel{height:${height}px!important;width:100%!important;border-radius:14px!important;animation:none!important}.menu{position:relative!important;inset:0!important;width:100%;box-sizing:border-box;max-width:none}`);
  shadow.adoptedStyleSheets = [...shadow.adoptedStyleSheets, own, sheet];
  const root = document.createElement("div");
  root.className = "root";
  root.dataset.theme = theme;
  shadow.append(root);
  const base = scene();
  change?.(base);
  const {client, config, link} = fake(base, patch, before);
  const app: App = {...tongue(en, "en-GB", false), client, config, rtl: false, ui: new Ui(root, config)};
  const Sheet = (): VNode => {
    const redraw = useRedraw();
    useEffect(() => {
      client.subscribe(redraw);
      app.ui.subscribe(redraw);
    }, []);
    return h("div", {class: "base"}, draw(app));
  };
  const begin = client.start();
  render(h(Sheet, null), root, app);
  void begin.then(() => setTimeout(() => {
    if (client.state.me) client.watch(Object.keys(base.members));
    later(app);
    setup?.(app, link());
    app.ui.changed();
  }, 50));
}

const win = (id: string) => (app: App): VNode | null => {
  const conversation = app.client.state.conversations.get(id);
  return conversation ? h(Window, {conversation}) : null;
};
const pair = (id: string, messages: Scene["conversations"][0]["messages"], more: Partial<Scene["conversations"][0]> = {}) => (base: Scene): void => {
  base.conversations = [{id, with: id, messages, ...more}];
  base.tabs = [{conversation: id, state: "open"}];
};
const now = Date.now();

cell({label: "Loading", scene: pair("chloe", [{from: "chloe", body: "x"}]), before: (link) => link.silent.add("history"), draw: win("chloe")});
cell({label: "Empty", scene: pair("chloe", []), draw: win("chloe")});
cell({label: "Reconnecting", scene: pair("mateusz", [{from: "mateusz", body: "Is the gate open?"}]), setup: (app, link) => { link.status({phase: "lost", since: now - 5_000}); app.client.send("mateusz", "Yes, code 4417"); }, draw: win("mateusz")});
cell({label: "Offline for longer than 30 s", scene: pair("mateusz", [{from: "mateusz", body: "Is the gate open?"}]), setup: (app, link) => { link.status({phase: "lost", since: now - 60_000}); app.client.send("mateusz", "Yes, code 4417"); }, draw: win("mateusz")});
cell({label: "They do not disturb", height: 268, scene: pair("priya", [{from: "priya", body: "Imaging until one."}]), draw: win("priya")});
cell({label: "You blocked them", height: 268, scene: (base) => { pair("dmitri", [])(base); base.blocked = ["dmitri"]; }, draw: win("dmitri")});
cell({label: "Back online", height: 268, scene: pair("yusuf", [{from: "yusuf", body: "Anyone seeing the aurora?"}]), setup: (app) => app.ui.set({back: true}), draw: win("yusuf")});
cell({label: "Too fast", height: 268, scene: pair("yusuf", [{from: "yusuf", body: "Anyone seeing the aurora?"}, {from: "maren", body: "Yes! North, low, green"}]), setup: (app) => { app.client.slow.set("yusuf", Date.now() + 8_500); app.ui.setWin("yusuf", {draft: "Go outside, all of you"}); }, draw: win("yusuf")});
cell({label: "Delivery: sending, sent, seen, failed", scene: pair("kwame", [{from: "maren", body: "And the thermos"}, {from: "maren", body: "Parked by the gate"}, {from: "maren", body: "Bring the long dew shield"}], {seen: 1}), before: (link) => { link.refused.add("Where are you all?"); }, setup: (app, link) => { app.client.send("kwame", "Where are you all?"); setTimeout(() => { link.silent.add("message.send"); app.client.send("kwame", "On my way"); }, 100); }, draw: win("kwame")});
cell({label: "Grouping, edited, deleted, reply", height: 360, scene: (base) => { base.conversations = [{id: "g", name: "Gear", members: ["maren", "kwame", "chloe"], messages: [{from: "kwame", body: "Two hours of guiding"}, {from: "kwame", body: "without one lost star"}, {from: "kwame", body: "Framing the graph", edited: now}, {from: "chloe", deleted: true}, {from: "maren", body: "Teach us!", reply_to: 1, reactions: {"🔭": ["kwame", "chloe"], "❤️": ["maren", "chloe"]}}]}]; }, draw: win("g")});
cell({label: "Links, code, long words, mention", height: 360, scene: (base) => { base.conversations = [{id: "g", name: "Gear", members: ["maren", "siobhan"], messages: [{from: "siobhan", body: "https://clearskies.example/northmoor"}, {from: "siobhan", body: "run `hfr` first\n```\nif hfr > 2.4: focus()\n```"}, {from: "siobhan", body: "@Maren it is called Donaudampfschifffahrtsgesellschaftskapitän, ask @Siobhán"}]}]; }, draw: win("g")});
cell({label: "Reading: day, system line, new line", height: 360, scene: (base) => { base.conversations = [{id: "g", name: "Gear", members: ["maren", "yusuf", "leilani"], unread: 1, messages: [{from: "yusuf", body: "The roof rolls!", time: now - 2 * 86_400_000}, {from: "yusuf", system: {kind: "joined", member: "leilani", by: "yusuf"}}, {from: "leilani", body: "Aloha everyone"}]}]; }, draw: win("g")});
cell({label: "Replying", height: 268, scene: pair("kwame", [{from: "kwame", body: "Two hours of guiding without one lost star"}]), setup: (app) => app.ui.setWin("kwame", {reply: app.client.state.conversations.get("kwame")!.last!, draft: "Teach us! What is your mount?"}), draw: win("kwame")});
cell({label: "Too long", height: 268, scene: pair("kwame", []), setup: (app) => app.ui.setWin("kwame", {draft: "long ".repeat(2_043)}), draw: win("kwame")});
cell({label: "Reporting", height: 300, scene: pair("dmitri", [{from: "dmitri", body: "Buy my eyepieces"}]), setup: (app) => app.ui.setWin("dmitri", {report: app.client.state.conversations.get("dmitri")!.last!}), draw: win("dmitri")});
cell({label: "Leaving a group, undoing", height: 268, scene: (base) => { base.conversations = [{id: "g", name: "Gear", members: ["maren", "kwame"], messages: [{from: "maren", body: "Bye"}]}]; }, setup: (app) => app.ui.setWin("g", {notice: {text: "Leave “Gear”?", tone: "err", action: {label: "Leave", act: () => undefined}}}), draw: win("g")});
cell({label: "Panel: loading", height: 260, before: (link) => { link.silent.add("members"); }, draw: () => h("div", {class: "panel"}, h(People, null))});
cell({label: "Panel: nobody online", height: 260, scene: (base) => { for (const member of Object.values(base.members)) member.show = "offline"; }, draw: () => h("div", {class: "panel"}, h(People, null))});
cell({label: "Panel: no conversations", height: 260, scene: (base) => { base.conversations = []; base.tabs = []; }, draw: () => h("div", {class: "panel"}, h(Chats, null))});
cell({label: "Panel: chats", height: 260, setup: (app) => app.ui.set({view: "chats"}), draw: (app) => app.client.state.me && h(Panel, null)});
cell({label: "Guest: pick a name", height: 260, setup: (app) => { app.client.nameless = true; }, draw: () => h(Out, null)});
cell({label: "Signed out", height: 260, setup: (_app, link) => link.status({phase: "signed-out", since: now}), draw: () => h(Out, null)});
cell({label: "Banned", height: 260, setup: (_app, link) => link.status({phase: "refused", since: now}), draw: () => h(Out, null)});
cell({label: "Presence menu", setup: (app) => more.presenceMenu(app, app.ui.root), draw: (app) => app.ui.menu && h(more.Menu, {menu: app.ui.menu})});
cell({label: "Emoji picker", setup: (app) => app.ui.set({menu: {anchor: app.ui.root, label: "Emoji", pick: () => undefined}}), draw: (app) => app.ui.menu && h(more.Menu, {menu: app.ui.menu})});
cell({label: "Profile", scene: pair("kwame", [{from: "kwame", body: "Hi"}]), setup: (app) => more.aboutMenu(app, app.client.state.conversations.get("kwame")!, app.ui.root), draw: (app) => app.ui.menu && h(more.Menu, {menu: app.ui.menu})});
cell({label: "Picking people", scene: pair("kwame", []), setup: () => undefined, draw: (app) => app.client.state.me && h("div", {class: "panel"}, h(more.Picker, {done: () => undefined}))});
