/** What stands in the panel of who is not in: the guest's name, "signed out", "no longer allowed". */
import ban from "icon:ban";
import message from "icon:message-circle";
import {useApp} from "./app";
import {Empty} from "./parts";
import {h, useRef, type VNode} from "./vdom";

export function Entry(): VNode {
  const {client: {state, nameless}, t} = useApp();
  if (nameless) return <Guest/>;
  return state.status.phase === "refused" ? <Empty icon={ban} head={t("banned")} text=""/>
    : <Empty icon={message} head={t("signedOut", {site: state.site})} text=""><button type="button" class="btn p" onClick={() => location.reload()}>{t("signIn")}</button></Empty>;
}

function Guest(): VNode {
  const {client, t} = useApp();
  const field = useRef<HTMLInputElement | null>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    const name = field.current!.value.trim();
    if (name) client.join(name);
  };
  return <form class="form" onSubmit={submit}><b>{t("guestHead")}</b><p>{t("guestHelp")}</p>
    <label class="fld"><input ref={field} name="name" maxLength={64} required autocomplete="nickname" aria-label={t("guestName")} dir="auto"/></label>
    <button class="btn p">{t("join")}</button></form>;
}
