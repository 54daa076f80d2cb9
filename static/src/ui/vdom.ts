/**
 * A small virtual DOM with function components and hooks; all of one would be a quarter of the chat's budget. It
 * promises: elements are kept as long as their key (or place) and kind stay, text is only ever text, and effects run
 * after the document is up to date. A component gives one element, or null.
 */

export type Child = VNode | string | number | boolean | null | undefined | Child[];
// Each component has its own kind of props, and `h` checks them where it is written.
type Kind = string | ((props: any) => VNode | null);

export interface VNode {
  kind: Kind;
  props: Record<string, unknown>;
  key: unknown;
  /** What tells it from its siblings: its key, or its place (what is absent keeps its place). */
  slot?: unknown;
  children: VNode[];
  node?: Node;
  made?: Instance;
}

interface Instance {
  vnode: VNode;
  shown: VNode;
  hooks: unknown[];
  app: unknown;
  svg: boolean;
  gone: boolean;
}

interface Effect { run(): void | (() => void); deps?: unknown[]; stop: void | (() => void) }
export interface Ref<T> { current: T }

const TEXT = "#";
let current: Instance;
let cursor = 0;
const dirty = new Set<Instance>();
let effects: Effect[] = [];

export function h<P>(kind: string | ((props: P) => VNode | null), props: P | null, ...children: Child[]): VNode {
  const {key, ...rest} = (props ?? {}) as Record<string, unknown>;
  if (typeof kind !== "string" && children.length) rest.children = children;
  return {kind, props: rest, key, children: typeof kind === "string" ? flat(children) : []};
}

function flat(children: Child[], out: VNode[] = [], path = ""): VNode[] {
  children.forEach((child, n) => {
    if (Array.isArray(child)) {
      flat(child, out, `${path}${n}.`);
      return;
    }
    if (child === null || child === undefined || typeof child === "boolean" || child === "") return;
    const vnode = typeof child === "object" ? child : text(String(child));
    vnode.slot = vnode.key ?? path + n;
    out.push(vnode);
  });
  return out;
}

const text = (value: string): VNode => ({kind: TEXT, props: {value}, key: undefined, children: []});

/** Draws `vnode` into `parent`; `app` is what `useApp` gives below it. */
export function render(vnode: VNode, parent: Node, app: unknown): void {
  parent.appendChild(create(vnode, app, false));
  settle();
}

function nodeOf(vnode: VNode): Node {
  return vnode.made ? nodeOf(vnode.made.shown) : vnode.node!;
}

function create(vnode: VNode, app: unknown, svg: boolean): Node {
  const {kind, props, children} = vnode;
  if (typeof kind !== "string") {
    const made: Instance = vnode.made = {vnode, shown: vnode, hooks: [], app, svg, gone: false};
    made.shown = run(made);
    return create(made.shown, app, svg);
  }
  if (kind === TEXT) return vnode.node = document.createTextNode(props.value as string);
  const inside = svg || kind === "svg";
  const element = vnode.node = inside ? document.createElementNS("http://www.w3.org/2000/svg", kind) : document.createElement(kind);
  for (const child of children) element.appendChild(create(child, app, inside));
  for (const name in props) set(element, name, props[name], undefined);
  return element;
}

function run(made: Instance): VNode {
  const outer = [current, cursor] as const;
  current = made;
  cursor = 0;
  dirty.delete(made);
  // A component that fails keeps what it showed; the rest of the chat goes on, and the error is reported as any other.
  let shown = made.shown === made.vnode ? text("") : made.shown;
  try {
    shown = (made.vnode.kind as (props: unknown) => VNode | null)(made.vnode.props) ?? text("");
  } catch (error) {
    setTimeout(() => { throw error; });
  }
  [current, cursor] = outer;
  return shown;
}

function update(made: Instance): void {
  const old = made.shown;
  made.shown = run(made);
  patch(old, made.shown, made.app, made.svg);
}

function patch(old: VNode, vnode: VNode, app: unknown, svg: boolean): void {
  if (old === vnode) return;
  if (old.kind !== vnode.kind || old.key !== vnode.key) {
    const node = nodeOf(old);
    drop(old);
    node.parentNode!.replaceChild(create(vnode, app, svg), node);
    return;
  }
  if (old.made) {
    vnode.made = old.made;
    old.made.vnode = vnode;
    update(old.made);
    return;
  }
  const node = vnode.node = old.node!;
  if (vnode.kind === TEXT) {
    if (old.props.value !== vnode.props.value) (node as Text).data = vnode.props.value as string;
    return;
  }
  const inside = svg || vnode.kind === "svg";
  for (const name in {...old.props, ...vnode.props}) set(node as HTMLElement, name, vnode.props[name], old.props[name]);
  family(node, old.children, vnode.children, app, inside);
}

function family(parent: Node, old: VNode[], fresh: VNode[], app: unknown, svg: boolean): void {
  const known = new Map(old.map((vnode) => [vnode.slot, vnode]));
  const pairs = fresh.map((vnode) => {
    const same = known.get(vnode.slot);
    if (same?.kind !== vnode.kind) return undefined;
    known.delete(vnode.slot);
    return same;
  });
  // Two of one key are a mistake, but must leave nothing behind.
  const kept = new Set(pairs);
  for (const vnode of old) if (!kept.has(vnode)) {
    const node = nodeOf(vnode);
    drop(vnode);
    parent.removeChild(node);
  }
  let place: Node | null = parent.firstChild;
  fresh.forEach((vnode, n) => {
    const same = pairs[n];
    if (same) patch(same, vnode, app, svg);
    const node = same ? nodeOf(vnode) : create(vnode, app, svg);
    // A patched node may have been replaced at its place.
    if (same && place && !place.parentNode) place = node;
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  });
}

function drop(vnode: VNode): void {
  if (vnode.made) {
    vnode.made.gone = true;
    dirty.delete(vnode.made);
    for (const hook of vnode.made.hooks) (hook as Partial<Effect>).stop?.();
    drop(vnode.made.shown);
  }
  if (vnode.props.ref) (vnode.props.ref as Ref<unknown>).current = null;
  vnode.children.forEach(drop);
}

type Listeners = Record<string, ((event: Event) => void) | undefined>;

function set(element: Element, name: string, value: unknown, old: unknown): void {
  if (name === "ref") {
    if (value) (value as Ref<unknown>).current = element;
  } else if (name === "defaultValue") {
    element.setAttribute("value", value as string);
  } else if (name === "value") {
    if ((element as HTMLInputElement).value !== value) (element as HTMLInputElement).value = value as string;
  } else if (value === old) {
    return;
  } else if (name === "style") {
    for (const [property, to] of Object.entries(value as Record<string, string>)) (element as HTMLElement).style.setProperty(property, to);
  } else if (name.startsWith("on")) {
    const handlers = ((element as unknown as {avc?: Listeners}).avc ??= {});
    if (!(name in handlers)) {
      const capture = name.endsWith("Capture");
      element.addEventListener(name.slice(2, capture ? -7 : undefined).toLowerCase(), (event) => handlers[name]?.(event), capture);
    }
    handlers[name] = value as (event: Event) => void;
  } else if (value === undefined || value === null || (value === false && !name.startsWith("aria-"))) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
  }
}

function settle(): void {
  for (let rounds = 0; effects.length && rounds < 20; rounds++) {
    const now = effects;
    effects = [];
    for (const effect of now) {
      effect.stop?.();
      effect.stop = effect.run();
    }
  }
}

function flush(): void {
  for (const made of dirty) if (!made.gone) update(made);
  dirty.clear();
  settle();
}

function invalidate(made: Instance): void {
  if (!dirty.size) queueMicrotask(flush);
  dirty.add(made);
}

// ── hooks ──
function hook<T>(make: () => T): T {
  if (cursor === current.hooks.length) current.hooks.push(make());
  return current.hooks[cursor++] as T;
}

export function useState<T>(first: T): [T, (value: T) => void] {
  const made = current;
  const cell = hook(() => {
    const fresh = {value: first, put: (value: T): void => {
      if (Object.is(value, fresh.value)) return;
      fresh.value = value;
      if (!made.gone) invalidate(made);
    }};
    return fresh;
  });
  return [cell.value, cell.put];
}

/** A function that draws the component anew. */
export function useRedraw(): () => void {
  const made = current;
  return () => { if (!made.gone) invalidate(made); };
}

export const useRef = <T>(first: T): Ref<T> => hook(() => ({current: first}));

/** Runs `run` after the drawing, if `deps` differ from the last time; what it returns undoes it. */
export function useEffect(run: () => void | (() => void), deps?: unknown[]): void {
  const effect = hook<Effect>(() => ({run, stop: undefined, deps: [NaN, run]}));
  if (deps && effect.deps!.length === deps.length && deps.every((dep, n) => Object.is(dep, effect.deps![n]))) return;
  effect.deps = deps ?? [NaN, run];
  effect.run = run;
  effects.push(effect);
}

export const useContext = <T>(): T => current.app as T;

// ── types of what is written as <tags> ──
type On<E extends Event, T> = (event: E & {currentTarget: T}) => void;
interface Handlers<T> {
  onClick?: On<MouseEvent, T>; onInput?: On<Event, T>; onSubmit?: On<SubmitEvent, T>; onScroll?: On<Event, T>; onError?: On<Event, T>;
  onKeyDown?: On<KeyboardEvent, T>; onFocusCapture?: On<FocusEvent, T>; onBlurCapture?: On<FocusEvent, T>; onContextMenu?: On<MouseEvent, T>;
  onPointerEnter?: On<PointerEvent, T>; onPointerLeave?: On<PointerEvent, T>; onPointerDown?: On<PointerEvent, T>;
  onTouchStart?: On<TouchEvent, T>; onTouchEnd?: On<TouchEvent, T>; onTouchMove?: On<TouchEvent, T>;
}
interface Attributes<T> extends Handlers<T> { key?: string | number; ref?: Ref<T | null>; [name: string]: unknown }
export declare namespace h {
  namespace JSX {
    type Element = VNode;
    type ElementType = Kind;
    interface IntrinsicAttributes { key?: string | number }
    interface ElementChildrenAttribute { children: unknown }
    type IntrinsicElements = {[K in keyof HTMLElementTagNameMap]: Attributes<HTMLElementTagNameMap[K]>}
      & {[K in "svg" | "path" | "g" | "circle"]: Attributes<SVGElement>};
  }
}
