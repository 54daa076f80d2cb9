/** Puts the widget into a root: style sheet, theme, accent, direction, keys. */
import type {Client} from "./core/client";
import type {Config} from "./core/types";
import base from "./css/base.css";
import bar from "./css/bar.css";
import log from "./css/log.css";
import colours from "./css/tokens.css";
import {tongue} from "./i18n";
import {Ui, type App} from "./ui/app";
import {source} from "./ui/later";
import {announce, Root} from "./ui/root";
import {h, render} from "./ui/vdom";

const sheet = colours + base + bar + log;

/** Adopts the style sheet; the unit `--avc-u` must be a length that is computed once, where the text size is set. */
export function style(shadow: ShadowRoot): void {
  try {
    CSS.registerProperty({name: "--avc-u", syntax: "<length>", inherits: true, initialValue: "1px"});
  } catch {
    // Registered by an earlier copy of the widget, or unknown here.
  }
  const made = new CSSStyleSheet();
  made.replaceSync(sheet);
  shadow.adoptedStyleSheets = [...shadow.adoptedStyleSheets, made];
}

export interface MountOptions { shadow: ShadowRoot; config: Config; texts: Record<string, string>; lang: string; client: Client }

export function mount({shadow, config, texts, lang, client}: MountOptions): App {
  style(shadow);
  const root = document.createElement("div");
  const rtl = config.rtl.includes(lang.split("-")[0]!);
  root.className = "root";
  root.lang = lang;
  root.dir = rtl ? "rtl" : "ltr";
  root.style.setProperty("--avc-offset", `${config.offset}px`);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = (): void => {
    root.dataset.theme = config.theme === "auto" ? (dark.matches ? "dark" : "light") : config.theme;
    if (!/^#[0-9a-f]{6}$/i.test(config.accent)) return;
    if (CSS.supports("color", "oklch(from red l c h)")) root.style.setProperty("--avc-site-accent", config.accent);
    else void source.load().then(({tokens}) => {
      for (const [name, value] of Object.entries(tokens(config.accent, root.dataset.theme === "dark"))) root.style.setProperty(`--avc-${name}`, value);
    });
  };
  theme();
  dark.addEventListener("change", theme);
  // Keys and focus inside are nobody else's business: neither the page's shortcuts nor its focus traps.
  for (const name of ["keydown", "keypress", "keyup", "focusin", "focusout", "paste", "copy", "cut"]) {
    root.addEventListener(name, (event) => event.stopPropagation());
  }
  shadow.append(root);
  const app: App = {...tongue(texts, lang, rtl), client, config, rtl, ui: new Ui(root, config)};
  announce(app);
  render(h(Root, null), root, app);
  return app;
}
