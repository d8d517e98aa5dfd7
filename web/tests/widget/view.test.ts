import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Fragment, h as make, render, useEffect, useMemo, useRef, useState } from "../../src/widget/view.ts";
import { random } from "../core/world.ts";
import { FakeElement, install, settled } from "./dom.ts";

beforeEach(install);

type Props = Record<string, unknown>;
type Children = Parameters<typeof make>[2][];
type Component = Parameters<typeof make>[0] & ((props: Props) => ReturnType<typeof make>);
const h = (type: unknown, { children, ...props }: Props = {}, key?: string) =>
  make(type as Component, { ...props, key }, ...([children].flat() as Children));
const root = () => new FakeElement("root");
const draw = (view: ReturnType<typeof make>, into = root()) => {
  render(view, into as unknown as Element);
  return into;
};

/** Draws what `make` gives, again each time it is told to. */
function live(view: () => ReturnType<typeof make>): { into: FakeElement; redraw: () => Promise<void> } {
  let tick: (next: unknown) => void = () => {};
  const App = () => {
    const [, set] = useState(0);
    tick = set;
    return view();
  };
  const into = draw(h(App));
  let n = 0;
  return {
    into,
    redraw: () => {
      tick((n += 1));
      return settled();
    },
  };
}

test("elements, texts, attributes; null, false and true draw nothing", () => {
  const view = h("p", { class: "a", hidden: undefined, title: null, children: ["one ", 2, null, false, true, h("b", { children: "!" })] });
  assert.equal(draw(view).html, '<root><p class="a">one 2<b>!</b></p></root>');
});

test("text is never anything but text", () => {
  const into = draw(h("p", { children: "<img src=x onerror=alert(1)>" }));
  assert.equal((into.find("p") as FakeElement).kids.length, 1);
  assert.equal(into.find("img"), undefined);
});

test("an element keeps its identity when what comes before it appears or vanishes", async () => {
  let shown = false;
  const { into, redraw } = live(() => h("div", { children: [shown && h("i"), h("input")] }));
  const before = into.find("input");
  shown = true;
  await redraw();
  assert.equal(into.html, "<root><div><i></i><input></input></div></root>");
  assert.equal(into.find("input"), before);
});

test("a field's value is set when it differs from what stands in the field", async () => {
  let value = "typed";
  const { into, redraw } = live(() => h("input", { value }));
  const field = into.find("input") as FakeElement;
  field.value = "typed more";
  value = "";
  await redraw();
  assert.equal(field.value, "");
});

test("the newest listener is called, and attributes go when they are gone", async () => {
  const heard: number[] = [];
  let n = 1;
  const { into, redraw } = live(() => {
    const mine = n;
    return h("button", { onClick: () => heard.push(mine), ...(n === 1 ? { "aria-label": "x" } : {}), disabled: n === 1 });
  });
  const button = into.find("button") as FakeElement;
  button.fire("click");
  n = 2;
  await redraw();
  button.fire("click");
  assert.deepEqual([heard, into.html], [[1, 2], "<root><button></button></root>"]);
});

test("state belongs to its component by key, through every reordering", async () => {
  let order = ["a", "b", "c"];
  const Row = ({ name }: Props) => {
    const [mine] = useState(() => `state of ${name}`);
    return h("li", { children: `${name}: ${mine}` });
  };
  const { into, redraw } = live(() => h("ul", { children: order.map((name) => h(Row, { name }, name)) }));
  order = ["c", "x", "a", "b"];
  await redraw();
  const rows = order.map((name) => `<li>${name}: state of ${name}</li>`).join("");
  assert.equal(into.html, `<root><ul>${rows}</ul></root>`);
});

test("updates give what a fresh drawing gives, over random trees", async () => {
  const pick = random(7);
  const Pair = ({ children }: Props) => h(Fragment, { children: [children, h("hr")] });
  const tree = (depth: number): unknown => {
    const kind = pick();
    if (depth === 0 || kind < 0.2) return `t${Math.floor(pick() * 5)}`;
    if (kind < 0.3) return null;
    const children = Array.from({ length: Math.floor(pick() * 5) }, () => tree(depth - 1));
    if (kind < 0.5) return h(Pair, { children });
    const keys = ["k1", "k2", "k3", "k4"].sort(() => pick() - 0.5).slice(0, Math.floor(pick() * 4));
    const keyed = keys.map((key) => h("li", { class: key, children: tree(depth - 1) }, key));
    return h(["div", "p", "ul"][Math.floor(pick() * 3)], { class: `c${Math.floor(pick() * 3)}`, children: [...children, keyed] });
  };
  let view = h("main", { children: tree(4) });
  const { into, redraw } = live(() => view);
  for (let i = 0; i < 400; i += 1) {
    view = h("main", { children: tree(4) });
    await redraw();
    assert.equal(into.html, draw(view).html, `step ${i}`);
  }
});

test("nothing is moved that stands where it should", async () => {
  let list = ["a", "b", "c", "d"];
  const { redraw } = live(() => h("ul", { children: list.map((name) => h("li", { children: name }, name)) }));
  FakeElement.moves = 0;
  await redraw();
  assert.equal(FakeElement.moves, 0);
  list = [...list, "e"];
  await redraw();
  assert.equal(FakeElement.moves, 2, "one item and its text");
});

test("effects run after drawing when their inputs changed, and clean up on change and on leaving", async () => {
  const log: string[] = [];
  let [input, shown] = [1, true];
  const Effect = ({ n }: Props) => {
    const ref = useRef(null) as { current: unknown };
    useEffect(() => {
      log.push(`run ${n} ${ref.current ? "drawn" : "not drawn"}`);
      return () => log.push(`clean ${n}`);
    }, [n]);
    return h("p", { ref });
  };
  const { redraw } = live(() => h("div", { children: shown && h(Effect, { n: input }) }));
  await redraw();
  input = 2;
  await redraw();
  shown = false;
  await redraw();
  assert.deepEqual(log, ["run 1 drawn", "clean 1", "run 2 drawn", "clean 2"]);
});

test("a state that did not change draws nothing, and a memo is made anew only for new inputs", async () => {
  let [drawn, made] = [0, 0];
  let set: (next: unknown) => void = () => {};
  const App = () => {
    const [value, change] = useState(1);
    set = change;
    useMemo(() => (made += 1), [value]);
    drawn += 1;
    return h("p", { children: value });
  };
  draw(h(App));
  set(1);
  await settled();
  assert.deepEqual([drawn, made], [1, 1]);
  set((before: unknown) => (before as number) + 1);
  await settled();
  assert.deepEqual([drawn, made], [2, 2]);
});
