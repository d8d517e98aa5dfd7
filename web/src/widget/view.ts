/**
 * The part of Preact that the chat uses, at a quarter of its bytes: the build puts this in Preact's place for the chat alone (see
 * build.mjs), so that components and their types stay Preact's. Function components, HTML elements, keys, refs on elements, hooks; text is
 * always a text node, and there is no way to set HTML.
 *
 * Everything renders from the component that changed downwards. Effects run once the document is up to date.
 */

type Props = Record<string, unknown>;
type Component = (props: Props) => Child;
type Child = VNode | string | number | boolean | null | undefined | Child[];

interface VNode {
  type: string | Component | typeof TEXT;
  props: Props;
  key: string | undefined;
}

interface Hook {
  value?: unknown;
  set?: (next: unknown) => void;
  inputs?: readonly unknown[] | undefined;
  clean?: unknown;
}

/** What a VNode became: an element, a text, or a component, which has no node of its own. */
interface Part extends VNode {
  up: Part | null;
  node: Node | null;
  parts: Part[];
  hooks: Hook[];
  gone: boolean;
  /** Listeners of an element by event; the part itself is the listener, so that changing one costs nothing. */
  heard: Record<string, (event: Event) => void>;
  handleEvent(event: Event): void;
}

const TEXT = Symbol("text");

/** What JSX becomes in the chat's bundles. */
export function h(type: VNode["type"], props: Props | null, ...children: Child[]): VNode {
  const key = props?.key;
  return { type, props: { ...props, children }, key: key === undefined ? undefined : `k${key}` };
}
export const Fragment: Component = ({ children }) => children as Child;

function toVNode(child: Child): VNode | null {
  if (child === null || child === undefined || typeof child === "boolean") return null;
  if (Array.isArray(child)) return h(Fragment, null, ...child);
  return typeof child === "object" ? child : h(TEXT, { text: String(child) });
}

function create({ type, key }: VNode, up: Part | null): Part {
  const node =
    type === TEXT
      ? document.createTextNode("")
      : typeof type === "string"
        ? document.createElement(type)
        : null;
  const heard: Part["heard"] = {};
  const handleEvent = (event: Event) => heard[event.type]?.(event);
  return { type, key, props: {}, up, node, parts: [], hooks: [], gone: false, heard, handleEvent };
}

function update(part: Part, props: Props): void {
  const before = part.props;
  part.props = props;
  if (part.type === TEXT) {
    if (before.text !== props.text) (part.node as Text).data = props.text as string;
  } else if (typeof part.type === "string") {
    reconcile(part, props.children as Child);
    place(part);
    // After the children, since a select takes its value from them.
    for (const name in { ...before, ...props }) attribute(part, name, before[name], props[name]);
  } else {
    current = part;
    index = 0;
    reconcile(part, (part.type as Component)(props));
  }
}

function reconcile(part: Part, children: Child): void {
  const list = Array.isArray(children) ? children : [children];
  const old = new Map(part.parts.map((kid) => [kid.key, kid]));
  part.parts = list.flatMap((child, i) => {
    const vnode = toVNode(child);
    if (!vnode) return [];
    const key = vnode.key ?? String(i);
    let kid = old.get(key);
    if (kid?.type === vnode.type) old.delete(key);
    else kid = create({ ...vnode, key }, part);
    update(kid, vnode.props);
    return [kid];
  });
  for (const kid of old.values()) remove(kid);
}

function attribute(part: Part, name: string, before: unknown, value: unknown): void {
  if (name === "children" || name === "key") return;
  const element = part.node as Element;
  if (name === "ref") {
    (value as { current: unknown }).current = element;
  } else if (name.startsWith("on")) {
    const event = name.slice(2).toLowerCase();
    if (!before) element.addEventListener(event, part);
    part.heard[event] = value as (event: Event) => void;
  } else if (name in element) {
    // A field's value is compared with what stands in it, which the user may have changed.
    if ((name === "value" || name === "checked" ? Reflect.get(element, name) : before) !== value) {
      Reflect.set(element, name, value ?? "");
    }
  } else if (before !== value) {
    if (value === undefined || value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, String(value));
  }
}

const nodesOf = (part: Part): Node[] => part.parts.flatMap((kid) => (kid.node ? [kid.node] : nodesOf(kid)));

/** Puts the nodes below an element in order, moving only those out of place. */
function place(part: Part): void {
  const parent = part.node as Node;
  let next: Node | null = null;
  for (const node of nodesOf(part).reverse()) {
    if (node.parentNode !== parent || node.nextSibling !== next) parent.insertBefore(node, next);
    next = node;
  }
}

function remove(part: Part): void {
  part.gone = true;
  for (const { clean } of part.hooks) if (typeof clean === "function") clean();
  part.parts.forEach(remove);
  (part.node as ChildNode | null)?.remove();
}

// --- rendering and hooks ---

let current: Part;
let index = 0;
const changed = new Set<Part>();
let effects: (() => void)[] = [];

function settle(): void {
  for (const effect of effects.splice(0)) effect();
}

function redraw(part: Part): void {
  if (!changed.size) {
    queueMicrotask(() => {
      const parts = [...changed];
      changed.clear();
      for (const one of parts) {
        if (one.gone) continue;
        update(one, one.props);
        let host = one;
        while (!host.node) host = host.up as Part;
        place(host);
      }
      settle();
    });
  }
  changed.add(part);
}

/** Draws into an element. */
export function render(child: Child, parent: Element): void {
  const root = create(h("div", null), null);
  root.node = parent;
  reconcile(root, child);
  place(root);
  settle();
}

function hook(make: () => Hook): Hook {
  const { hooks } = current;
  const found = (hooks[index] ??= make());
  index += 1;
  return found;
}

/** Whether a hook's inputs are others than last time; remembers them. */
function moved(found: Hook, inputs: readonly unknown[] | undefined): boolean {
  const before = found.inputs;
  found.inputs = inputs;
  return !before || !inputs || inputs.some((input, i) => !Object.is(input, before[i]));
}

export function useState(initial: unknown): [unknown, (next: unknown) => void] {
  const part = current;
  const found = hook(() => ({ value: typeof initial === "function" ? initial() : initial }));
  found.set ??= (next) => {
    const value = typeof next === "function" ? next(found.value) : next;
    if (Object.is(value, found.value)) return;
    found.value = value;
    redraw(part);
  };
  return [found.value, found.set];
}

export function useEffect(run: () => unknown, inputs?: readonly unknown[]): void {
  const found = hook(() => ({}));
  if (!moved(found, inputs)) return;
  effects.push(() => {
    if (typeof found.clean === "function") found.clean();
    found.clean = run();
  });
}
export const useLayoutEffect = useEffect;

export function useMemo(make: () => unknown, inputs: readonly unknown[]): unknown {
  const found = hook(() => ({}));
  if (moved(found, inputs)) found.value = make();
  return found.value;
}

export const useRef = (value: unknown): unknown => useMemo(() => ({ current: value }), []);
