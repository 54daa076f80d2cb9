/** Picks people: for a new conversation, a new group, or to add to one. */
import {h, useEffect, useState, type VNode} from "./vdom";
import arrowLeft from "icon:arrow-left";
import check from "icon:check";
import searchIcon from "icon:search";
import x from "icon:x";
import type {Conversation} from "../core/store";
import {first, useApp} from "./app";
import {Avatar, Empty, Icon, IconButton, Rows} from "./parts";
import {presenceOf, show} from "./window";

export function Picker({conversation, done}: {conversation?: Conversation; done(): void}): VNode {
  const app = useApp();
  const {client, t} = app;
  const [query, setQuery] = useState("");
  const [picked, setPicked] = useState<string[]>([]);
  const [name, setName] = useState("");
  const [refused, setRefused] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => void client.find(query), query ? 200 : 0);
    return () => clearTimeout(timer);
  }, [query]);
  const present = new Set(conversation?.members ?? []);
  const ids = client.found.ids.filter((id) => !present.has(id));
  const nameOf = (id: string): string => client.state.members.get(id)?.name ?? id;
  const toggle = (id: string): void => {
    setPicked(picked.includes(id) ? picked.filter((other) => other !== id) : [...picked, id]);
    setRefused(false);
  };
  const go = (): void => {
    if (conversation) client.invite(conversation.id, picked).then(done, () => setRefused(true));
    else void client.converse(picked, picked.length > 1 ? name.trim() : "").then((id) => {
      if (!id) setRefused(true);
      else {
        done();
        show(app, id);
      }
    });
  };
  return <div class="pane picker" onKeyDown={(event) => { if (event.key === "Escape") { event.stopPropagation(); done(); } }}>
    <div class="ph"><IconButton icon={arrowLeft} i="flip" label={t("goBack")} onClick={done}/><h2 class="sp tr">{t(conversation ? "addPeople" : "newConversation")}</h2></div>
    <label class="find"><Icon d={searchIcon} c="s16"/><input type="search" value={query} aria-label={t("findMember")} placeholder={t("findMember")}
      onInput={(event) => setQuery(event.currentTarget.value)}/></label>
    {picked.length > 0 && <div class="chips">{picked.map((id) => <span class="chip" key={id}><bdi class="tr">{first(nameOf(id))}</bdi>
      <IconButton icon={x} i="s14" c="sm" label={t("takeOut", {name: nameOf(id)})} onClick={() => toggle(id)}/></span>)}</div>}
    <div class="list">
      {client.found.state === "loading" && !ids.length ? <Rows/> : !ids.length && client.found.state === "loaded" && query
        ? <Empty icon={searchIcon} head={t("noOne", {query})} text={t("noOneHelp")}/>
        : <ul>{ids.map((id) => <li key={id}><button type="button" class="row inset" role="checkbox" aria-checked={picked.includes(id)} onClick={() => toggle(id)}>
          <Avatar id={id} member={client.state.members.get(id)} show={presenceOf(app, id).show}/><span class="tx"><b class="tr"><bdi>{nameOf(id)}</bdi></b></span>
          <span class="ck">{picked.includes(id) && <Icon d={check} c="s14"/>}</span></button></li>)}</ul>}
      {client.found.more && client.found.state === "loaded" && <button type="button" class="row inset" onClick={() => void client.find(query, true)}>{t("showMore")}</button>}
    </div>
    {refused && <div class="note err" role="alert">{t("notDone")}</div>}
    {picked.length > 0 && <form class="form" onSubmit={(event) => { event.preventDefault(); go(); }}>
      {!conversation && picked.length > 1 && <label class="fld"><input value={name} maxLength={100} aria-label={t("groupName")} placeholder={t("groupName")} onInput={(event) => setName(event.currentTarget.value)}/></label>}
      <button class="btn p">{conversation ? t("add", {n: picked.length}) : t(picked.length > 1 ? "createGroup" : "startChat")}</button>
    </form>}
  </div>;
}
