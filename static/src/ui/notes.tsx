/** What is said of the connection, and only when it matters: after 2 s, after 30 s, and for 3 s when it is back. */
import {h, type VNode} from "./vdom";
import checkIcon from "icon:check";
import alert from "icon:circle-alert";
import loader from "icon:loader-circle";
import refresh from "icon:refresh-cw";
import wifiOff from "icon:wifi-off";
import {useApp, type App} from "./app";
import {Icon} from "./parts";

export type Plight = "offline" | "reconnecting" | "restarting" | "back" | "signedOut" | "banned" | null;
const SAID_MS = 2_000;
const OFFLINE_MS = 30_000;

export function plight({client, ui}: App): Plight {
  const {phase, since, restarting} = client.state.status;
  if (phase === "online") return ui.back ? "back" : null;
  if (phase === "signed-out") return "signedOut";
  if (phase === "refused") return "banned";
  if (phase !== "lost" && phase !== "connecting") return null;
  const gone = Date.now() - since;
  return gone >= OFFLINE_MS ? "offline" : restarting ? "restarting" : gone >= SAID_MS ? "reconnecting" : null;
}

export function Connection(): VNode | null {
  const app = useApp();
  const {t, client} = app;
  switch (plight(app)) {
    case "offline": return <div class="note err"><Icon d={wifiOff} c="s14"/><span>{t("offline")} <button type="button" class="lk" onClick={() => client.retry()}>{t("tryNow")}</button></span></div>;
    case "reconnecting": return <div class="note warn"><Icon d={loader} c="s14 spin"/><span>{t("reconnecting")}</span></div>;
    case "restarting": return <div class="note warn"><Icon d={refresh} c="s14"/><span>{t("restarting")}</span></div>;
    case "back": return <div class="note ok"><Icon d={checkIcon} c="s14"/><span>{t("back")}</span></div>;
    case "signedOut": return <div class="note warn"><Icon d={alert} c="s14"/><span>{t("signedOut", {site: client.state.site})} <button type="button" class="lk" onClick={() => location.reload()}>{t("signIn")}</button></span></div>;
    case "banned": return <div class="note err"><Icon d={alert} c="s14"/><span>{t("banned")}</span></div>;
    default: return null;
  }
}
