/** The members of a group, in its window; and its name. */
import userPlus from "icon:user-plus";
import type {Conversation} from "../core/store";
import {useApp} from "./app";
import {Avatar, Icon} from "./parts";
import {h, useRef, type VNode} from "./vdom";
import {inWords, presenceOf, show} from "./window";

export function Members({conversation, rename, back}: {conversation: Conversation; rename: boolean; back(): void}): VNode {
  const app = useApp();
  const {client, ui, t} = app;
  const id = conversation.id;
  const field = useRef<HTMLInputElement | null>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    const name = field.current!.value.trim();
    if (name) client.rename(id, name).then(back, () => ui.notify(id, {text: t("notDone"), tone: "err"}));
  };
  const talk = (member: string): void => void client.converse([member]).then((made) => made && show(app, made));
  return <div class="pane">
    {rename ? <form class="form" onSubmit={submit}><b>{t("rename")}</b>
      <label class="fld"><input ref={field} defaultValue={conversation.name} maxLength={100} aria-label={t("groupName")}/></label>
      <div class="acts"><button class="btn p sm">{t("save")}</button><button type="button" class="btn sm" onClick={back}>{t("cancel")}</button></div></form>
      : <div class="list"><h2>{t("memberCount", {n: conversation.members.length})}</h2><ul>
        {conversation.members.map((member) => <li key={member}><button type="button" class="row inset" disabled={member === client.state.me!.id} onClick={() => talk(member)}>
          <Avatar id={member} member={client.state.members.get(member)} show={member === client.state.me!.id ? client.state.show : presenceOf(app, member).show}/>
          <span class="tx"><b class="tr"><bdi>{client.state.members.get(member)?.name ?? member}</bdi></b><small>{member === client.state.me!.id ? t("you") : inWords(app, presenceOf(app, member))}</small></span></button></li>)}</ul></div>}
    {!rename && <div class="foot"><button type="button" class="btn q" onClick={() => ui.setWin(id, {view: "invite"})}><Icon d={userPlus} c="s16"/>{t("addPeople")}</button><button type="button" class="btn q" onClick={back}>{t("done")}</button></div>}
  </div>;
}
