// Holds a state, reduces actions into it, tells listeners. Components read slices of it.
import { useEffect, useReducer, useRef } from "preact/hooks";

export interface Store<S, A> {
  get(): S;
  dispatch(action: A): void;
  subscribe(listener: () => void): () => void;
}

export function createStore<S, A>(start: S, reduce: (state: S, action: A) => S): Store<S, A> {
  let state = start;
  const listeners = new Set<() => void>();
  return {
    get: () => state,
    dispatch(action) {
      const next = reduce(state, action);
      if (next === state) return;
      state = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A slice of the store; the component renders again when the slice is another object. */
export function useStore<S, A, T>(store: Store<S, A>, select: (state: S) => T): T {
  const [, again] = useReducer((n: number, _: void) => n + 1, 0);
  const pick = useRef(select);
  pick.current = select;
  const shown = select(store.get());
  const last = useRef(shown);
  last.current = shown;
  useEffect(
    () =>
      store.subscribe(() => {
        if (!Object.is(pick.current(store.get()), last.current)) again();
      }),
    [store],
  );
  return shown;
}
