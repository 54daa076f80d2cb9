/** The one menu that may be open: items, or an emoji picker. It takes the focus and gives it back. */
import {h, useEffect, useRef, type VNode} from "./vdom";
import check from "icon:check";
import {useApp, type Menu as Open} from "./app";
import {Emoji} from "./emoji";
import {Icon} from "./parts";

export function Menu({menu}: {menu: Open}): VNode {
  const {ui, t} = useApp();
  const box = useRef<HTMLDivElement | null>(null);
  const sheet = ui.phone;

  useEffect(() => {
    const element = box.current!;
    if (!sheet) {
      const anchor = menu.anchor.getBoundingClientRect();
      const {offsetWidth: width, offsetHeight: height} = element;
      const above = anchor.top - height - 6;
      const x = ui.root.dir === "rtl" ? anchor.right - width : anchor.left;
      element.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
      element.style.top = `${Math.max(8, Math.min(anchor.bottom + 6 + height > innerHeight - 8 ? above : anchor.bottom + 6, innerHeight - height - 8))}px`;
    }
    element.querySelector<HTMLElement>("[aria-checked=true],[role^=menuitem],input")?.focus();
  }, [menu]);
  useEffect(() => {
    const outside = (event: Event): void => {
      const path = event.composedPath();
      if (!path.includes(box.current!) && !path.includes(menu.anchor)) ui.closeMenu(false);
    };
    addEventListener("pointerdown", outside, true);
    return () => removeEventListener("pointerdown", outside, true);
  }, [menu]);

  const keys = (event: KeyboardEvent): void => {
    if (event.defaultPrevented) return;
    const stops = [...box.current!.querySelectorAll<HTMLElement>("[role^=menuitem],[role=option]")];
    const at = stops.indexOf(ui.root.getRootNode() instanceof ShadowRoot ? (ui.root.getRootNode() as ShadowRoot).activeElement as HTMLElement : document.activeElement as HTMLElement);
    const step = menu.pick ? 8 : 1;
    const side = menu.pick ? (ui.root.dir === "rtl" ? -1 : 1) : 0;
    const move: Record<string, number> = {
      ArrowDown: at < 0 ? 0 : at + step, ArrowUp: at - step, ArrowRight: at + side, ArrowLeft: at - side,
      ...(menu.pick && at < 0 ? {} : {Home: 0, End: stops.length - 1}),
    };
    if (event.key === "Escape" || event.key === "Tab") {
      ui.closeMenu();
      event.stopPropagation();
    } else if (event.key in move && (at >= 0 || event.key === "ArrowDown")) {
      const to = move[event.key]!;
      if (menu.pick && to < 0) box.current!.querySelector("input")!.focus();
      else stops[menu.pick ? Math.min(to, stops.length - 1) : (to + stops.length) % stops.length]?.focus();
    } else return;
    event.preventDefault();
  };

  return <div>
    {sheet && <div class="scrim dim" onClick={() => ui.closeMenu()}/>}
    <div ref={box} class={`menu ${sheet ? "sheet" : ""} ${menu.pick ? "ep" : ""}`} role={menu.pick ? "dialog" : "menu"}
      aria-label={menu.label} onKeyDown={keys}>
      {menu.head}
      {menu.pick ? <Emoji pick={(emoji) => { ui.closeMenu(); menu.pick!(emoji); }} label={t("findEmoji")}/>
        : menu.items!.map((item) => [
          item.apart && <div role="separator" class="sep"/>,
          <button type="button" class={`mi inset ${item.bad ? "bad" : ""}`} tabIndex={-1}
            role={item.checked === undefined ? "menuitem" : "menuitemradio"} aria-checked={item.checked}
            onClick={() => { ui.closeMenu(); item.act(); }}>
            {item.mark ?? (item.icon && <Icon d={item.icon} c="s16"/>)}<span class="sp tr">{item.label}</span>{item.end}
            {item.checked && <Icon d={check} c="s16"/>}
          </button>,
        ])}
    </div>
  </div>;
}
