/**
 * What a visit needs late or never: menus, the phone's layout, picking people, emoji, reports, colours for older
 * browsers. It is a module of its own, fetched when the page is at rest, or when one of these is first used.
 */
export {tokens} from "./accent";
export {default as sheet} from "./css/more.css";
export {settled} from "./rest";
export {Entry} from "./ui/entry";
export {Members} from "./ui/members";
export {Menu} from "./ui/menu";
export {aboutMenu, block, messageMenu, presenceMenu, remove, restMenu, Status} from "./ui/menus";
export {Phone} from "./ui/phone";
export {Picker} from "./ui/picker";
export {Report} from "./ui/report";
