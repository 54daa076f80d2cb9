/** A page of the demo community with the widget on the fake core: ?theme=dark ?lang=ar ?phone=list|chat */

import ar from "../locales/ar.json";
import en from "../locales/en.json";
import names from "../locales/emoji/en.json";
import {mount} from "../src/mount";
import {leaving, watching} from "../src/page";
import {show} from "../src/ui/window";
import * as more from "../src/more";
import {source as emoji} from "../src/ui/emoji";
import {source} from "../src/ui/later";
import {fake} from "./fake";
import {scene} from "./scene";

source.load = () => Promise.resolve(more);
emoji.load = () => Promise.resolve({default: names});
const query = new URLSearchParams(location.search);
const arabic = query.get("lang") === "ar";
document.documentElement.dir = arabic ? "rtl" : "ltr";
const theme = (query.get("theme") ?? "light") as "light" | "dark";
document.documentElement.dataset.theme = theme;
const {client, config, link} = fake(scene(arabic), {theme, accent: query.get("accent") ?? "#0b6e8f", panel: (query.get("panel") ?? "open") as "open"});
const host = document.createElement("avchat-im");
document.body.append(host);
const app = mount({shadow: host.attachShadow({mode: "open"}), config, texts: arabic ? ar : en, lang: arabic ? "ar-EG" : "en-GB", client});
watching(app);
leaving(app);
void client.start();
(window as unknown as {app: unknown}).app = app;
const failing = arabic ? "هذا سجل ليلة أمس" : "Here is the log from last night";
link().refused.add(failing);
client.outbox.add("priya", failing);
setTimeout(() => {
  if (query.has("phone")) {
    app.ui.set({full: true, view: "chats"});
    if (query.get("phone") === "chat") show(app, "leonids");
  } else {
    app.ui.activate("priya");
    app.ui.setWin("priya", {draft: arabic ? "لا عجلة، بعد انتهاء التصوير" : "No rush, after your imaging run is fine"});
    app.ui.write("priya");
  }
}, 400);
