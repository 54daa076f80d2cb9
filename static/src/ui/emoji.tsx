/** The emoji picker: a search field and a grid. */
import search from "icon:search";
import {useApp} from "./app";
import {Icon, Rows} from "./parts";
import {h, useEffect, useRef, useState, type VNode} from "./vdom";

/** Where the names of the emoji are, by language, seen from this module; from the build. */
declare const EMOJI: Record<string, string>;
export const source = {
  load: (lang: string): Promise<{default: Record<string, string>}> => import(EMOJI[lang] ?? EMOJI.en!) as Promise<{default: Record<string, string>}>,
};
let names: Record<string, string> | null = null;

export function Emoji({pick, label}: {pick(emoji: string): void; label: string}): VNode {
  const {t, lang} = useApp();
  const [query, setQuery] = useState("");
  const [all, setAll] = useState(names);
  const entered = useRef(false);
  useEffect(() => {
    if (!all) source.load(lang.split("-")[0]!).then((loaded) => setAll(names = loaded.default), () => undefined);
  }, []);
  const shown = Object.entries(all ?? {}).filter(([, name]) => name.toLowerCase().includes(query.toLowerCase()));
  const enter = (): void => {
    entered.current = !all;
    if (shown[0]) pick(shown[0][0]);
  };
  // Enter may come before the names do: it takes the first as soon as there is one.
  useEffect(() => { if (entered.current && all) enter(); }, [all]);
  return <div>
    <label class="find"><Icon d={search} c="s16"/><input type="search" aria-label={label} placeholder={label} value={query}
      onInput={(event) => { entered.current = false; setQuery(event.currentTarget.value); }}
      onKeyDown={(event) => { if (event.key === "Enter") { event.preventDefault(); enter(); } }}/></label>
    {!all && <Rows/>}
    <div class="eg" role="listbox" aria-label={label}>{shown.map(([emoji, name], n) =>
      <button type="button" role="option" aria-selected="false" class="inset" key={emoji} title={name} aria-label={name} tabIndex={n ? -1 : 0} onClick={() => pick(emoji)}>{emoji}</button>)}</div>
    {all && !shown.length && <p class="vh" role="status">{t("nothing")}</p>}
  </div>;
}
