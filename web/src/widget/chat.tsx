/** The page inside the iframe: shakes hands with the shop's page, connects, and draws. */
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isNews } from "../core/chat/events.ts";
import { unread } from "../core/chat/timeline.ts";
import { chatClient } from "../io/chat.ts";
import { storage } from "../io/storage.ts";
import { App } from "./app.tsx";
import { readToChat, type ToChat, type ToHost, type Words } from "./bridge.ts";
import "./chat.css";
import { type Chat, shareChat } from "./context.ts";
import { focusField } from "./composer.tsx";
import { fetchMore } from "./later.ts";
import { paint } from "./look.ts";
import { subjectOf } from "./subject.ts";
import { learn, offered, say } from "./words.ts";

const query = new URLSearchParams(location.search);
const site = query.get("site") ?? "";
const store = storage("localStorage", `staywell:${site}`);
const drafts = storage("sessionStorage", `staywell:${site}`);
const framed = window.parent !== window;
const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** The shop's page: whoever sent the first message from the parent window. Its origin was allowed by frame-ancestors. */
let host = { origin: location.origin, page: location.href };
let words: readonly Words[] = [];
let said = say("en", words);
let draft = text(drafts.get("draft")) ?? "";
let shown = false;
let gate: Chat["gate"] = null;
let details: Parameters<Chat["enter"]>[0] | null = null;
let redraw = () => {};
/** Whether the contact has done anything here. */
let touched = false;

const client = chatClient(site, text(store.get("locale")) ?? query.get("locale") ?? "en", store);

function toHost(message: ToHost): void {
  if (framed) window.parent.postMessage(message, host.origin);
}

/** Turns to a language, when its words are there. */
async function speak(locale: string): Promise<void> {
  const tag = offered(locale, words);
  client.dispatch({ on: "locale", locale: tag });
  words = [...(await learn(tag, words)), ...words];
  if (tag !== client.state.locale) return;
  said = say(tag, words);
  document.documentElement.lang = tag;
  document.documentElement.dir = said.direction;
  redraw();
}

/** The contact's own choice outlives the page and goes to the shop. */
function setLocale(locale: string): void {
  store.set("locale", locale);
  void speak(locale);
  toHost({ t: "locale", locale });
}

function setDraft(body: string): void {
  draft = body;
  drafts.set("draft", body);
}

function write(body: string): void {
  client.dispatch({ on: "write", writing: false });
  client.dispatch({ on: "send", cmid: crypto.randomUUID(), body: body.trim() });
  toHost({ t: "event", name: "message", detail: { from: "contact" } });
}

function identify(identity: string | undefined): void {
  client.dispatch({ on: "identify", identity: identity ?? null, subject: subjectOf(identity) });
}

function start(): void {
  gate = null;
  client.dispatch({ on: "start" });
}

/** The contact agreed and said what was asked. */
function enter(said: { name: string; email: string }): void {
  store.set("entered", true);
  details = said;
  start();
}

function heard(message: ToChat): void {
  switch (message.t) {
    case "init":
      if (message.words) words = [message.words];
      paint(message.look);
      void speak(text(store.get("locale")) ?? message.locale);
      identify(message.identity);
      // A customer whom the shop vouches for need not say who it is.
      gate = { privacy: message.privacy, ask: message.identity ? "" : message.ask };
      if (store.get("entered") || !(gate.privacy || gate.ask)) start();
      return toHost({ t: "ready" });
    case "shown":
      shown = message.shown;
      look();
      if (message.focus) focusField();
      return;
    case "identify":
      return identify(message.identity);
    case "locale":
      if (message.locale !== said.locale) setLocale(offered(message.locale, words));
      return;
    case "words":
      words = [message.words, ...words];
      return void speak(said.locale);
    case "look":
      return paint(message.look);
    case "compose":
      setDraft(message.body);
      return redraw();
  }
}

/** Whether the contact sees the chat just now. */
const look = () => client.dispatch({ on: "visible", visible: shown && !document.hidden });

function Root() {
  const [, tick] = useState(0);
  redraw = () => tick((n) => n + 1);
  const { state } = client;
  const { mode, agent } = state;
  const count = unread(state);
  const active = state.last > 0 && mode !== "resolved";
  // With the first touch, or where it is needed without one; again after each change should it have failed.
  const needed = touched || gate || state.last || state.refused;
  useEffect(() => {
    if (needed) fetchMore(redraw);
  }, [!needed, state.last, mode, state.online]);
  useEffect(() => {
    if (!state.session || !details) return;
    const { name, email } = details;
    details = null;
    if (name || email) void client.call("details", { conv: undefined, name: name || undefined, email: email || undefined });
  }, [state.session]);
  useEffect(() => toHost({ t: "unread", count }), [count]);
  useEffect(() => toHost({ t: "active", active }), [active]);
  useEffect(() => toHost({ t: "event", name: "mode", detail: { mode, agent } }), [mode, agent]);
  shareChat({
    state,
    said,
    page: host.page,
    origins: [location.origin, host.origin],
    gate,
    enter,
    get draft() {
      return draft;
    },
    setDraft,
    dispatch: client.dispatch,
    call: client.call,
    toHost,
    say: write,
    setLocale,
  });
  return <App />;
}

let drawing: ReturnType<typeof setTimeout> | undefined;

client.listen(
  () => {
    // A burst of events is drawn once. Not by animation frames: there are none while the panel is closed.
    drawing ||= setTimeout(() => {
      drawing = undefined;
      redraw();
    }, 16);
  },
  (ev) => isNews(ev) && toHost({ t: "event", name: "message", detail: { from: ev.from, kind: ev.kind } }),
  () => toHost({ t: "identity_needed" }),
);

addEventListener("message", (event) => {
  if (!framed || event.source !== window.parent) return;
  const message = readToChat(event.data);
  if (message?.t === "init" && host.origin === location.origin) host = { origin: event.origin, page: message.url };
  if (message && event.origin === host.origin) heard(message);
});

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) toHost({ t: "close" });
});

for (const name of ["pointerover", "pointerdown", "keydown"])
  addEventListener(
    name,
    () => {
      touched = true;
      redraw();
    },
    { once: true },
  );

document.addEventListener("visibilitychange", look);

const plain = { theme: "auto", accent: "", font: "" };
const root = document.getElementById("chat");
if (root) render(<Root />, root);
if (framed) void speak(client.state.locale);
else {
  // Opened as a page of its own, the chat is its own host.
  heard({ t: "init", url: location.href, locale: client.state.locale, look: plain, privacy: "", ask: "" });
  heard({ t: "shown", shown: true, focus: true });
}
