/** A guest picks a name. */
import {useApp} from "./app";
import {Frame} from "./out";
import {h, useRef, type VNode} from "./vdom";

export function Guest(): VNode {
  const {client, t} = useApp();
  const field = useRef<HTMLInputElement | null>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    const name = field.current!.value.trim();
    if (name) client.join(name);
  };
  return <Frame><form class="form" onSubmit={submit}><b>{t("guestHead")}</b><p>{t("guestHelp")}</p>
    <label class="fld"><input ref={field} name="name" maxLength={64} required autocomplete="nickname" aria-label={t("guestName")} dir="auto"/></label>
    <button class="btn p">{t("join")}</button></form></Frame>;
}
