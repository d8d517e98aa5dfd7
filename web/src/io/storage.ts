/**
 * JSON values kept in the browser. An iframe of another site may be refused web storage, by the browser's rules or the user's; then
 * partitioned cookies, which only this site on that page can see, take small values. What cannot be kept is not there next time.
 */

export interface Store {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  remove(key: string): void;
  /** Values of all keys that begin with `prefix`. */
  all(prefix: string): unknown[];
}

interface Area {
  names(): string[];
  read(name: string): string | null | undefined;
  write(name: string, text: string): void;
  remove(name: string): void;
}

/** Browsers drop longer cookies, name and all. */
const COOKIE_BYTES = 4000;
const COOKIE_SECONDS = 180 * 86_400;

const area = (kept: Storage): Area => ({
  names: () => Object.keys(kept),
  read: (name) => kept.getItem(name),
  write: (name, text) => kept.setItem(name, text),
  remove: (name) => kept.removeItem(name),
});

/** Sent with requests for this page alone. `life` in seconds, without it until the browser closes. */
function cookies(life?: number): Area {
  const all = () => document.cookie.split("; ").map((pair) => pair.split("=", 2).map(decodeURIComponent));
  const write = (name: string, text: string, age = life) => {
    const pair = `${encodeURIComponent(name)}=${encodeURIComponent(text)}`;
    if (pair.length > COOKIE_BYTES) return;
    const end = age === undefined ? "" : `;Max-Age=${age}`;
    document.cookie = `${pair};Path=${location.pathname};Secure;SameSite=None;Partitioned${end}`;
  };
  return {
    names: () => all().map(([name = ""]) => name),
    read: (name) => all().find(([other]) => other === name)?.[1],
    write,
    remove: (name) => write(name, "", 0),
  };
}

/** Values under `<prefix>:<key>`, for good (`localStorage`) or for a visit (`sessionStorage`). */
export function storage(kind: "localStorage" | "sessionStorage", prefix: string): Store {
  const attempt = <T>(use: () => T, otherwise: T): T => {
    try {
      return use();
    } catch {
      return otherwise;
    }
  };
  const kept = attempt(() => area(window[kind]), cookies(kind === "localStorage" ? COOKIE_SECONDS : undefined));
  const name = (key: string) => `${prefix}:${key}`;
  const get = (full: string): unknown => attempt(() => JSON.parse(kept.read(full) || "null"), null);
  return {
    get: (key) => get(name(key)),
    set: (key, value) => attempt(() => kept.write(name(key), JSON.stringify(value)), undefined),
    remove: (key) => attempt(() => kept.remove(name(key)), undefined),
    all: (begin) =>
      attempt(() => kept.names(), [])
        .filter((full) => full.startsWith(name(begin)))
        .map(get),
  };
}
