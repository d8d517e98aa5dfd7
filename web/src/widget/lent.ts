/** Preact's hooks for `more.tsx`: the build puts this in their place there, since a component's hooks belong to who renders it. */
import type * as Hooks from "preact/hooks";

export type Lent = Pick<typeof Hooks, "useEffect" | "useRef" | "useState">;

let lent: Lent;

/** The chat's own hooks. */
export function lend(hooks: Lent): void {
  lent = hooks;
}

export const useState = (initial: unknown) => lent.useState(initial);
export const useRef = (initial: unknown) => lent.useRef(initial);
export const useEffect: Lent["useEffect"] = (run, inputs) => lent.useEffect(run, inputs);
