/** The page inside the iframe: shakes hands with the shop's page, connects, and draws. */
import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { isNews } from "../core/chat/events.ts";
import { unread } from "../core/chat/timeline.ts";
import { chatClient } from "../io/chat.ts";
import { storage } from "../io/storage.ts";
import { App } from "./app.tsx";
import { type Look, readToChat, type ToChat, type ToHost, type Words } from "./bridge.ts";
import "./chat.css";
import { type Chat, ChatContext } from "./context.ts";
import { paint } from "./look.ts";
import { subjectOf } from "./subject.ts";
import { offered, say } from "./words.ts";

const query = new URLSearchParams(location.search);
const site = query.get("site") ?? "";
const store = storage("localStorage", `staywell:${site}`);
const drafts = storage("sessionStorage", `staywell:${site}`);
const framed = window.parent !== window;

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const client = chatClient(site, text(store.get("locale")) ?? query.get("locale") ?? "en", store);

/** The shop's page: whoever sent the first message from the parent window. Its origin was allowed by frame-ancestors. */
let host: { origin: string; page: string } = { origin: location.origin, page: location.href };

function toHost(message: ToHost): void {
  if (framed) window.parent.postMessage(message, host.origin);
}

function Root() {
  const [, redraw] = useState(0);
  const [own, setOwn] = useState<Words[]>([]);
  const [locale, setLocale] = useState(() => offered(client.state.locale, []));
  const [draft, setDraft] = useState(() => text(drafts.get("draft")) ?? "");
  const [focus, setFocus] = useState(0);

  const choose = (tag: string) => {
    store.set("locale", tag);
    setLocale(tag);
    client.dispatch({ on: "locale", locale: tag });
    toHost({ t: "locale", locale: tag });
  };

  useEffect(() => {
    let queued = false;
    const changed = () => {
      if (queued) return;
      queued = true;
      queueMicrotask(() => {
        queued = false;
        redraw((n) => n + 1);
      });
    };
    client.listen(changed, announce, () => toHost({ t: "identity_needed" }));
    handle = (message) => {
      switch (message.t) {
        case "init": {
          if (message.words) setOwn([message.words]);
          paint(message.look);
          const kept = text(store.get("locale"));
          const wanted = offered(kept ?? message.locale, message.words ? [message.words] : []);
          setLocale(wanted);
          client.dispatch({ on: "locale", locale: wanted });
          client.dispatch({ on: "identify", identity: message.identity ?? null, subject: subjectOf(message.identity) });
          client.dispatch({ on: "start" });
          return toHost({ t: "ready" });
        }
        case "shown":
          client.dispatch({ on: "visible", visible: message.shown && !document.hidden });
          shown = message.shown;
          if (message.shown && message.focus) setFocus((n) => n + 1);
          return;
        case "identify":
          return client.dispatch({ on: "identify", identity: message.identity ?? null, subject: subjectOf(message.identity) });
        case "locale":
          return setLocale((before) => (before === message.locale ? before : (choose(offered(message.locale, own)), before)));
        case "words":
          return setOwn((before) => [...before.filter((words) => words.locale !== message.words.locale), message.words]);
        case "look":
          return paint(message.look);
        case "compose":
          return setDraft(message.body);
      }
    };
    for (const message of early.splice(0)) handle(message);
    if (!framed) handle({ t: "init", url: location.href, title: "", locale, look: plain });
    if (!framed) handle({ t: "shown", shown: true, full: true, focus: true });
  }, []);

  useEffect(() => drafts.set("draft", draft), [draft]);

  const said = useMemo(() => say(locale, own), [locale, own]);
  useEffect(() => {
    document.documentElement.lang = locale;
    document.documentElement.dir = said.direction;
  }, [said]);

  const { state } = client;
  const count = unread(state);
  const active = state.conv !== null && state.last > 0 && state.mode !== "resolved";
  useEffect(() => toHost({ t: "unread", count }), [count]);
  useEffect(() => toHost({ t: "active", active }), [active]);
  useEffect(() => toHost({ t: "event", name: "mode", detail: { mode: state.mode, agent: state.agent } }), [state.mode, state.agent]);

  const chat: Chat = {
    state,
    said,
    page: host.page,
    origins: [location.origin, host.origin],
    dispatch: client.dispatch,
    call: client.call,
    toHost,
    setLocale: choose,
  };
  return (
    <ChatContext.Provider value={chat}>
      <App draft={draft} setDraft={setDraft} focus={focus} />
    </ChatContext.Provider>
  );
}

const plain: Look = { theme: "auto", accent: "", font: "" };
let shown = false;
const early: ToChat[] = [];
let handle: (message: ToChat) => void = (message) => early.push(message);

function announce(events: Parameters<Parameters<typeof client.listen>[1]>[0]): void {
  for (const ev of events) if (isNews(ev)) toHost({ t: "event", name: "message", detail: { from: ev.from, kind: ev.kind } });
}

addEventListener("message", (event) => {
  if (!framed || event.source !== window.parent) return;
  const message = readToChat(event.data);
  if (!message) return;
  if (message.t === "init" && host.origin === location.origin) host = { origin: event.origin, page: message.url };
  if (event.origin === host.origin) handle(message);
});

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) toHost({ t: "close" });
});

document.addEventListener("visibilitychange", () => {
  client.dispatch({ on: "visible", visible: shown && !document.hidden });
});

const root = document.getElementById("chat");
if (root) render(<Root />, root);
