/** The whole widget: bar or phone, the open menu, and the two live regions. */
import {h, useEffect, useRedraw, type VNode} from "./vdom";
import {Bar} from "./bar";
import {first, useApp, type App} from "./app";
import {called} from "./message";
import {plight} from "./notes";
import {later} from "./later";

const BACK_MS = 3_000;
const OTHERS_MS = 3_000;

export function Root(): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const draw = useRedraw();
  useEffect(() => {
    ui.subscribe(draw);
    const stop = client.subscribe(draw);
    const size = (): void => ui.set({width: innerWidth, height: innerHeight});
    addEventListener("resize", size);
    const narrow = matchMedia("(max-width: 719px), (pointer: coarse) and (max-width: 899px)");
    const layout = (): void => ui.set({phone: narrow.matches, menu: null});
    narrow.addEventListener("change", layout);
    layout();
    return () => {
      stop();
      removeEventListener("resize", size);
      narrow.removeEventListener("change", layout);
    };
  }, []);

  // What depends on the clock is drawn anew: each second while something counts, else each minute.
  const now = Date.now();
  const counting = client.state.status.phase !== "online" || [...client.slow.values()].some((until) => until > now);
  useEffect(() => {
    const timer = setInterval(draw, counting ? 1_000 : 60_000);
    return () => clearInterval(timer);
  }, [counting]);

  const more = ui.phone || ui.menu ? later(app) : null;
  const trouble = plight(app);
  useEffect(() => {
    if (trouble) ui.say(t(trouble, {site: client.state.site}));
  }, [trouble]);
  useEffect(() => ui.settle());

  return <div class="base">
    {!ui.phone ? <Bar/> : more && <more.Phone/>}
    {ui.menu && more && <more.Menu key={ui.menu.label} menu={ui.menu}/>}
    <div class="vh" aria-live="polite">{ui.polite}</div>
    <div class="vh" aria-live="assertive">{ui.assertive}</div>
  </div>;
}

/** Says aloud what arrives: the words for the focused conversation, a count for the others. */
export function announce(app: App): void {
  const {client, ui, t} = app;
  const waiting = new Map<string, number>();
  let timer = 0;
  const flush = (): void => {
    const parts = [...waiting].map(([name, n]) => t("newFrom", {n, name}));
    waiting.clear();
    timer = 0;
    if (parts.length) ui.say(parts.join(". "));
  };
  client.news = (news) => {
    if (news.kind === "back") {
      if (client.state.status.phase === "online") ui.set({back: true});
      setTimeout(() => ui.set({back: false}), BACK_MS);
    } else if (news.kind === "failed") {
      ui.say(t("notSentAloud"), true);
    } else {
      const {conversation, message} = news;
      const watching = ui.active === conversation.id && !document.hidden;
      if (!watching && !conversation.fresh) conversation.fresh = message.seq;
      const author = first(client.state.members.get(message.from)?.name ?? message.from);
      if (watching) ui.say(t("said", {name: author, body: message.body}));
      else {
        const name = called(app, conversation);
        waiting.set(name, (waiting.get(name) ?? 0) + 1);
        if (!timer) timer = window.setTimeout(flush, OTHERS_MS);
      }
    }
  };
}
