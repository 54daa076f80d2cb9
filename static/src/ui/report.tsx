/** Reporting a message. */
import type {Conversation} from "../core/store";
import {useApp} from "./app";
import {h, useRef, type VNode} from "./vdom";

/** A message is reported in the window that it stands in. */
export function Report({conversation}: {conversation: Conversation}): VNode {
  const {client, ui, t} = useApp();
  const id = conversation.id;
  const {report} = ui.win(id);
  const field = useRef<HTMLInputElement | null>(null);
  const close = (): void => {
    ui.setWin(id, {report: undefined});
    ui.write(id);
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    client.report(id, report!.seq, field.current!.value.trim()).then(
      () => { ui.notify(id, {text: t("reported"), tone: "ok"}); ui.say(t("reported")); },
      () => ui.notify(id, {text: t("notDone"), tone: "err"}));
    close();
  };
  return <form class="form report" onSubmit={submit} onKeyDown={(event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } }}>
    <b>{t("reportHead")}</b><p class="tr" dir="auto">{report!.body}</p>
    <label class="fld"><input ref={field} maxLength={500} aria-label={t("reportWhy")} placeholder={t("reportWhy")}/></label>
    <div class="acts"><button class="btn d sm">{t("report")}</button><button type="button" class="btn sm" onClick={close}>{t("cancel")}</button></div>
  </form>;
}
