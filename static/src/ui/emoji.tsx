/** The emoji picker: a search field and a grid. */
import search from "icon:search";
import {useApp} from "./app";
import {Icon} from "./parts";
import {h, useState, type VNode} from "./vdom";

/** All emoji that the picker has, with their names, from the language file: "😀 grinning, 😂 joy". */
export function Emoji({pick, label}: {pick(emoji: string): void; label: string}): VNode {
  const {t} = useApp();
  const [query, setQuery] = useState("");
  const all = t("emoji").split("|").map((entry) => [entry.slice(0, entry.indexOf(" ")), entry.slice(entry.indexOf(" ") + 1)] as const);
  const shown = all.filter(([, name]) => name.toLowerCase().includes(query.toLowerCase()));
  return <div>
    <label class="find"><Icon d={search} c="s16"/><input type="search" aria-label={label} placeholder={label} value={query}
      onInput={(event) => setQuery(event.currentTarget.value)}
      onKeyDown={(event) => { if (event.key === "Enter" && shown[0]) { event.preventDefault(); pick(shown[0][0]); } }}/></label>
    <div class="eg" role="listbox" aria-label={label}>{shown.map(([emoji, name], n) =>
      <button type="button" role="option" aria-selected="false" class="inset" key={emoji} title={name} aria-label={name} tabIndex={n ? -1 : 0} onClick={() => pick(emoji)}>{emoji}</button>)}</div>
    {!shown.length && <p class="vh" role="status">{t("nothing")}</p>}
  </div>;
}
