/** What the shop's page loads: registers `<staywell-chat>`, puts one there for a script tag with data-site, offers `window.Staywell`. */
import type { Words } from "./bridge.ts";
import { StaywellChat } from "./element.ts";

const TAG = "staywell-chat";

type Listener = (detail: Record<string, unknown>) => void;

/** The JavaScript API; it speaks to the first `<staywell-chat>` of the page. */
export interface StaywellApi {
  open(options?: { text?: string }): void;
  close(): void;
  identify(identity: string | (() => string | Promise<string>) | null): void;
  setLocale(locale: string): void;
  words(words: Words): void;
  nudge(text: string): void;
  /** Calls `fn` with the detail of each `staywell:<name>` event; returns what ends that. */
  on(name: string, fn: Listener): () => void;
}

declare global {
  interface Window {
    Staywell?: StaywellApi;
    /** Functions to call with the API once it is there: `(window.staywellQueue ||= []).push(s => s.open())`. */
    staywellQueue?: { push(fn: (api: StaywellApi) => void): unknown };
  }
}

const element = () => document.querySelector<StaywellChat>(TAG);

const api: StaywellApi = {
  open: (options) => element()?.open(options),
  close: () => element()?.close(),
  identify: (identity) => element()?.identify(identity),
  setLocale: (locale) => element()?.setAttribute("locale", locale),
  words: (words) => element()?.words(words),
  nudge: (text) => void element()?.nudge(text),
  on(name, fn) {
    const listener = (event: Event) => fn((event as CustomEvent<Record<string, unknown>>).detail);
    document.addEventListener(`staywell:${name}`, listener);
    return () => document.removeEventListener(`staywell:${name}`, listener);
  },
};

/** data-site, data-locale, … of our script tag become attributes of the element. */
function fromScript(): void {
  const script = [...document.querySelectorAll<HTMLScriptElement>("script[data-site]")].find(
    ({ src }) => src === import.meta.url,
  );
  if (!script || element()) return;
  const made = document.createElement(TAG);
  for (const [name, value] of Object.entries(script.dataset)) made.setAttribute(name, value ?? "");
  document.body.append(made);
}

function ready(): void {
  fromScript();
  const early = Array.isArray(window.staywellQueue) ? window.staywellQueue : [];
  window.staywellQueue = { push: (fn) => fn(api) };
  for (const fn of early) fn(api);
  document.dispatchEvent(new CustomEvent("staywell:load"));
}

// A page may carry the script twice, from two places: the first one stays.
if (!customElements.get(TAG)) {
  customElements.define(TAG, StaywellChat);
  window.Staywell = api;
  if (document.body) ready();
  else document.addEventListener("DOMContentLoaded", ready);
}
