import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { asApiError, type ApiError } from "./api.ts";

/** The time, refreshed every `every` ms. `skew` is what to add to our clock to get the server's. */
export function useNow(every = 1000, skew = 0): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now + skew;
}

/** The width of an element in CSS pixels, 0 before it is laid out. */
export function useWidth<E extends Element>(): [{ current: E | null }, number] {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    setWidth(element.getBoundingClientRect().width);
    const observer = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** The newest value of a closure, for listeners that are set up once. */
export function useLatest<T>(value: T): { readonly current: T } {
  const ref = useRef(value);
  ref.current = value;
  return ref;
}

export type Loaded<T> =
  | { state: "loading"; data: null; error: null }
  | { state: "ready"; data: T; error: null }
  | { state: "error"; data: T | null; error: ApiError };

const LOADING = { state: "loading", data: null, error: null } as const;

/** Loads when `key` changes (null: nothing to load), and again on `reload`. What it gives belongs to the key that it is called with:
 * the data stay while the same is loaded again, and are never another key's. */
export function useLoad<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): [Loaded<T>, () => void] {
  const [kept, setKept] = useState<{ key: string | null; loaded: Loaded<T> }>({ key, loaded: LOADING });
  const [round, setRound] = useState(0);
  const latest = useLatest(load);
  useEffect(() => {
    if (key === null) return;
    const control = new AbortController();
    setKept((was) => (was.key === key && was.loaded.data !== null ? was : { key, loaded: LOADING }));
    latest.current(control.signal).then(
      (data) => !control.signal.aborted && setKept({ key, loaded: { state: "ready", data, error: null } }),
      (error: unknown) => {
        if (control.signal.aborted) return;
        setKept((was) => ({ key, loaded: { state: "error", data: was.key === key ? was.loaded.data : null, error: asApiError(error) } }));
      },
    );
    return () => control.abort();
  }, [key, round]);
  return [kept.key === key ? kept.loaded : LOADING, useCallback(() => setRound((n) => n + 1), [])];
}

/** A value that follows after `delay` ms of rest. */
export function useRest<T>(value: T, delay: number): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), delay);
    return () => clearTimeout(timer);
  }, [value, delay]);
  return rested;
}
