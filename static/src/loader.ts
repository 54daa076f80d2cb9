/**
 * The script that a site embeds. It promises to shift nothing on the page, to do its work once however often the
 * snippet stands there, and to leave the rest to two modules that it fetches: the chat and the reader's language.
 */
import type {Config, Start} from "./core/types";

declare const __AVCHAT_CONFIG__: Config;

(() => {
  const config = __AVCHAT_CONFIG__;
  const data = (document.currentScript as HTMLElement | null)?.dataset ?? {};
  const page = window as unknown as {avchat?: unknown};
  if (page.avchat) return;
  if (!data.token && !data.tokenUrl && !config.guests) {
    console.info(`AVChat: no member token, and ${config.name} does not let guests in.`);
    return;
  }
  page.avchat = {key: config.key};

  const begin = (): void => {
    const wanted = [data.lang, document.documentElement.lang, ...navigator.languages, "en"];
    const lang = wanted.map((tag) => (tag ?? "").toLowerCase().split("-")[0]!).find((tag) => tag in config.locales)!;
    const host = document.createElement("avchat-im");
    // The page's rules for any element reach the host: inline and important, these win over all of them.
    for (const [name, value] of [["all", "initial"], ["position", "fixed"], ["z-index", "2147483000"]] as const) {
      host.style.setProperty(name, value, "important");
    }
    const shadow = host.attachShadow({mode: "open"});
    document.body.append(host);
    const load = (path: string): Promise<{default: never}> => import(config.base + path);
    Promise.all([load(config.chat), load(config.locales[lang]!)]).then(([chat, texts]) => {
      const {token, tokenUrl} = data;
      // A reader of the same language keeps the own region: its clock, digits and dates.
      const tag = [data.lang, ...navigator.languages].find((x) => x?.toLowerCase().split("-")[0] === lang) ?? lang;
      (chat.default as (start: Start) => void)({config, shadow, texts: texts.default, lang: tag, token, tokenUrl});
    }, (error) => {
      host.remove();
      console.warn("AVChat could not load.", error);
    });
  };
  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin, {once: true});
})();
