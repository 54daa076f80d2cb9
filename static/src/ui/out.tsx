/** Who is not in yet: "signed out", "no longer allowed", and the first loading. */
import {h, type VNode} from "./vdom";
import minus from "icon:minus";
import ban from "icon:ban";
import message from "icon:message-circle";
import {useApp} from "./app";
import {Connection} from "./notes";
import {Empty, IconButton, Rows} from "./parts";

export function Frame({children}: {children: VNode | VNode[]}): VNode {
  const {ui, t} = useApp();
  const close = (): void => {
    if (ui.phone) history.back();
    else {
      ui.set({panel: false});
      ui.focus("[data-opener]");
    }
  };
  return <section class="panel" aria-label={t("chat")} onKeyDown={(event) => { if (event.key === "Escape") close(); }}>
    <div class="ph"><h2 class="sp">{t("chat")}</h2><IconButton icon={minus} label={t("minimise")} onClick={close}/></div>{children}</section>;
}

export function Out(): VNode {
  const {client: {state}, t} = useApp();
  const {phase} = state.status;
  return <Frame>{phase === "signed-out" ? <Empty icon={message} head={t("signedOut", {site: state.site})} text="">
    <button type="button" class="btn p" onClick={() => location.reload()}>{t("signIn")}</button></Empty>
    : phase === "refused" ? <Empty icon={ban} head={t("banned")} text=""/>
      : [<Connection/>, <div class="list"><Rows/></div>]}</Frame>;
}
