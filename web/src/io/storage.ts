/** Web storage that may be partitioned, full or forbidden: what cannot be kept is simply not there next time. */

export interface Store {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  remove(key: string): void;
  /** Values of all keys that begin with `prefix`. */
  all(prefix: string): unknown[];
}

/** JSON values under `<prefix>:<key>` in localStorage or sessionStorage. */
export function storage(kind: "localStorage" | "sessionStorage", prefix: string): Store {
  const attempt = <T>(use: (area: Storage) => T, otherwise: T): T => {
    try {
      return use(window[kind]);
    } catch {
      return otherwise;
    }
  };
  const name = (key: string) => `${prefix}:${key}`;
  const read = (area: Storage, full: string): unknown => {
    const text = area.getItem(full);
    return text === null ? null : JSON.parse(text);
  };
  return {
    get: (key) => attempt((area) => read(area, name(key)), null),
    set: (key, value) => attempt((area) => area.setItem(name(key), JSON.stringify(value)), undefined),
    remove: (key) => attempt((area) => area.removeItem(name(key)), undefined),
    all: (begin) =>
      attempt((area) => Object.keys(area).filter((key) => key.startsWith(name(begin))), []).flatMap((key) =>
        attempt((area) => [read(area, key)], []),
      ),
  };
}
