/** The panel of who is not in yet. */
import {h, type VNode} from "./vdom";
import minus from "icon:minus";
import {useApp} from "./app";
import {later} from "./later";
import {Connection} from "./notes";
import {IconButton, Rows} from "./parts";

export function Frame({children}: {children: VNode | VNode[]}): VNode {
  const {ui, t} = useApp();
  const close = (): void => {
    if (ui.phone) history.back();
    else {
      ui.set({panel: false});
      ui.focus("[data-opener]");
    }
  };
  return <div class="panel" onKeyDown={(event) => { if (event.key === "Escape") close(); }}>
    <div class="ph"><h2 class="sp">{t("chat")}</h2><IconButton icon={minus} label={t("minimise")} onClick={close}/></div>{children}</div>;
}

export function Out(): VNode {
  const app = useApp();
  const {client: {state, nameless}} = app;
  const more = nameless || ["signed-out", "refused"].includes(state.status.phase) ? later(app) : null;
  return <Frame>{more ? <more.Entry/> : <div class="pane"><Connection/><div class="list"><Rows/></div></div>}</Frame>;
}
