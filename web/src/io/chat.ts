/** Runs the pure chat: performs its effects on sockets, HTTP, timers and storage, and feeds back what comes of them. */
import { decode } from "../core/decode.ts";
import { step } from "../core/chat/reduce.ts";
import {
  type ChatEffect,
  type ChatInput,
  type ChatState,
  type HistoryPage,
  initialChat,
  type Kept,
  type Outgoing,
  type SessionAnswer,
} from "../core/chat/state.ts";
import { type Ev, type ServerFrame, serverFrameShapes } from "../protocol/gen.ts";
import { type Answer, call } from "./http.ts";
import type { Store } from "./storage.ts";

const PAGE = 50;

export interface ChatClient {
  readonly state: ChatState;
  dispatch(input: ChatInput): void;
  /** Calls `changed` when the state changed, `news` with each event that is not history, `identityNeeded` when the shop must vouch. */
  listen(changed: () => void, news: (ev: Ev) => void, identityNeeded: () => void): void;
  /** A call of the widget's HTTP contract about this conversation, with the contact's token. */
  call<T>(path: string, body: Record<string, unknown>): Promise<Answer<T>>;
}

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** What was written but not confirmed on an earlier page, oldest first. */
function keptOutbox(store: Store): Outgoing[] {
  const items = store.all("out:") as (Outgoing | null)[];
  return items.filter((item): item is Outgoing => text(item?.cmid) !== null && text(item?.body) !== null).sort((a, b) => a.at - b.at);
}

export function chatClient(site: string, locale: string, store: Store): ChatClient {
  const kept = store.get("kept") as Partial<Kept> | null;
  let state = initialChat(locale, { resume: text(kept?.resume), subject: text(kept?.subject) }, keptOutbox(store));
  let socket: WebSocket | null = null;
  let [changed, news, identityNeeded]: [() => void, (ev: Ev) => void, () => void] = [nothing, nothing, nothing];
  const timers = new Map<string, ReturnType<typeof setTimeout>>();

  function dispatch(input: ChatInput): void {
    const before = state;
    const [next, effects] = step(state, input, { now: Date.now(), draw: Math.random() });
    state = next;
    for (const effect of effects) perform(effect);
    if (state !== before) changed();
  }

  function perform(effect: ChatEffect): void {
    switch (effect.do) {
      case "session":
        void session(effect);
        return;
      case "history":
        void history(effect.conv, effect.before);
        return;
      case "open":
        return open();
      case "close":
        return hangUp(effect.code);
      case "frame":
        if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(effect.frame));
        return;
      case "timer":
        clearTimeout(timers.get(effect.name));
        timers.set(
          effect.name,
          setTimeout(() => dispatch({ on: "timer", name: effect.name }), effect.ms),
        );
        return;
      case "cancel":
        return clearTimeout(timers.get(effect.name));
      case "keep":
        return store.set("kept", effect.kept);
      case "keep_outgoing":
        return store.set(`out:${effect.item.cmid}`, effect.item);
      case "drop_outgoing":
        return store.remove(`out:${effect.cmid}`);
      case "news":
        return news(effect.ev);
      case "identity_needed":
        return identityNeeded();
    }
  }

  async function session(effect: Extract<ChatEffect, { do: "session" }>): Promise<void> {
    const { identity, resume, locale } = effect;
    const answer = await call<SessionAnswer>("/api/widget/session", null, { site, locale, identity, resume });
    dispatch(answer.ok ? { on: "session", answer: answer.value, identity } : { on: "session_failed", identity, ...answer });
  }

  async function history(conv: string, before: number | null): Promise<void> {
    const page = before === null ? "" : `&before=${before}`;
    const path = `/api/widget/history?conv=${conv}&limit=${PAGE}${page}`;
    const answer = await call<HistoryPage>(path, state.session?.token);
    dispatch(answer.ok ? { on: "history", page: answer.value, before } : { on: "history_failed", before, after: answer.after });
  }

  function open(): void {
    hangUp(1000);
    const url = new URL("/ws/chat", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const opened = new WebSocket(url);
    socket = opened;
    // A socket that was given up must not speak any more.
    const current = (input: ChatInput) => socket === opened && dispatch(input);
    opened.onopen = () => current({ on: "opened" });
    opened.onclose = (event) => current({ on: "closed", code: event.code });
    opened.onmessage = (event) => {
      const frame = typeof event.data === "string" ? decode<ServerFrame>(serverFrameShapes, event.data) : null;
      if (frame) current({ on: "frame", frame });
    };
  }

  function hangUp(code: number): void {
    const old = socket;
    socket = null;
    old?.close(code);
  }

  addEventListener("online", () => dispatch({ on: "online", online: true }));
  addEventListener("offline", () => dispatch({ on: "online", online: false }));

  return {
    get state() {
      return state;
    },
    dispatch,
    listen: (...listeners) => {
      [changed, news, identityNeeded] = listeners;
    },
    call: (path, body) => call(`/api/widget/${path}`, state.session?.token, { conv: state.conv, ...body }),
  };
}

function nothing(): void {}
