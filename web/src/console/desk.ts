// The desk's socket: drives the pure link machine, feeds frames into the store, sends commands.
import { decode } from "../core/decode.ts";
import { idleLink, linkStep, type Link, type LinkEffect, type LinkInput, type LinkTimer } from "../core/link.ts";
import { deskServerFrameShapes, type CallbackReport, type DeskClientFrame, type DeskServerFrame } from "../protocol/gen.ts";
import { ApiError, asApiError, type Api } from "../ui/api.ts";
import type { Bundle } from "../ui/bundle.ts";
import { cursor, threadOf, type Action, type Pending, type Presence, type State } from "./state.ts";
import type { Store } from "./store.ts";

const REPLACED = 4409;
/** How long to wait before the bundle of a conversation is read again after something moved in it. */
const REFRESH_MS = 600;

type Disposition = Extract<DeskClientFrame, { t: "resolve" }>["disposition"];

export class Desk {
  private link: Link = idleLink;
  private socket: WebSocket | null = null;
  private ticket = "";
  private readonly timers = new Map<LinkTimer, ReturnType<typeof setTimeout>>();
  private readonly refreshes = new Map<string, ReturnType<typeof setTimeout>>();
  private typingIn: string | null = null;
  private typingOff: ReturnType<typeof setTimeout> | undefined;
  private watched: string | null = null;
  /** Whether a supervisor looks without being shown to the others. */
  private silent = false;
  private readonly nudge = (): void => {
    if (document.visibilityState === "visible") this.step({ on: "nudge" });
  };

  constructor(
    private readonly api: Api,
    private readonly store: Store<State, Action>,
  ) {}

  start(): void {
    addEventListener("online", this.nudge);
    document.addEventListener("visibilitychange", this.nudge);
    this.step({ on: "start" });
  }

  stop(): void {
    removeEventListener("online", this.nudge);
    document.removeEventListener("visibilitychange", this.nudge);
    this.step({ on: "stop" });
    for (const timer of [...this.timers.values(), ...this.refreshes.values()]) clearTimeout(timer);
  }

  /** Stop waiting, or take the desk back from another window. */
  reconnect(): void {
    this.step({ on: this.link.phase === "off" ? "start" : "nudge" });
  }

  // --- commands ---------------------------------------------------------------------------------------------------------------

  select(conv: string | null): void {
    if (this.watched && this.watched !== conv) {
      this.stopTyping();
      this.send({ t: "unwatch", conv: this.watched });
      this.watched = null;
    }
    this.store.dispatch({ do: "select", conv });
    if (conv) void this.open(conv);
  }

  /** Reads the bundle, then follows from where it ends. */
  open(conv: string): Promise<void> {
    return this.api.get<Bundle>(`/api/desk/conversations/${encodeURIComponent(conv)}`).then(
      (bundle) => {
        this.store.dispatch({ do: "bundle", conv, bundle });
        if (this.store.get().selected === conv) this.watch(conv);
      },
      (error: unknown) => {
        const known = asApiError(error);
        this.store.dispatch({ do: "open_failed", conv, error: known });
      },
    );
  }

  watchUnseen(silent: boolean): void {
    if (silent === this.silent) return;
    this.silent = silent;
    const conv = this.watched;
    if (!conv) return;
    this.send({ t: "unwatch", conv });
    this.watch(conv);
  }

  presence(state: Presence): void {
    this.send({ t: "presence", state });
  }

  accept(task: string, offer: string | null): void {
    this.command("accept", task, { t: "accept", task, ...(offer ? { offer } : {}) });
  }

  decline(task: string, offer: string): void {
    this.command("decline", task, { t: "decline", task, offer });
  }

  takeOver(conv: string): void {
    this.command("takeover", conv, { t: "takeover", conv });
  }

  returnToBot(conv: string, assignEpoch: number): void {
    this.command("return", conv, { t: "return", conv, assign_epoch: assignEpoch });
  }

  /** Passes it on: to a colleague, who is asked first, or to whoever is free. */
  transfer(conv: string, assignEpoch: number, to: string | null, note: string): void {
    this.command("transfer", conv, { t: "transfer", conv, cmid: crypto.randomUUID(), assign_epoch: assignEpoch, to, note });
  }

  snooze(conv: string, assignEpoch: number, until: number): void {
    this.command("snooze", conv, { t: "snooze", conv, assign_epoch: assignEpoch, until });
  }

  /** A call-back is taken, or was made. */
  callBack(id: string, result: CallbackReport["result"]): void {
    this.command("callback", "call", { t: "callback", id, result });
  }

  resolve(conv: string, assignEpoch: number, disposition: string, comment: string): void {
    this.command("resolve", conv, { t: "resolve", conv, assign_epoch: assignEpoch, disposition: disposition as Disposition, comment });
  }

  say(conv: string, body: string, suggestion: Pending["suggestion"]): void {
    this.stopTyping();
    this.put(conv, { kind: "msg", body, suggestion, mentions: [] });
  }

  /** A private note; `mentions` are told of it. */
  note(conv: string, body: string, mentions: string[]): void {
    this.put(conv, { kind: "note", body, suggestion: null, mentions });
  }

  private put(conv: string, said: Pick<Pending, "kind" | "body" | "suggestion" | "mentions">): void {
    const pending: Pending = { ...said, cmid: crypto.randomUUID(), at: Date.now(), failed: null };
    this.store.dispatch({ do: "sent", conv, pending });
    this.transmit(conv, pending);
  }

  retry(conv: string, pending: Pending): void {
    this.store.dispatch({ do: "retry_pending", conv, cmid: pending.cmid });
    this.transmit(conv, pending);
  }

  typing(conv: string): void {
    if (this.typingIn !== conv) {
      this.stopTyping();
      this.typingIn = conv;
      this.send({ t: "typing", conv, on: true });
    }
    clearTimeout(this.typingOff);
    this.typingOff = setTimeout(() => this.stopTyping(), 3000);
  }

  /** The notes of the conversation are before the agent's eyes. */
  readMentions(conv: string): void {
    this.send({ t: "mentions_read", conv });
  }

  seen(conv: string, seq: number): void {
    this.send({ t: "seen", conv, seq });
  }

  // --- the connection ---------------------------------------------------------------------------------------------------------

  private command(command: string, about: string, frame: DeskClientFrame): void {
    if (this.send(frame)) this.store.dispatch({ do: "commanded", command, about });
  }

  private send(frame: DeskClientFrame): boolean {
    if (this.link.phase !== "live" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  private transmit(conv: string, { kind, cmid, body, suggestion, mentions }: Pending): void {
    if (kind === "note") {
      this.send({ t: "note", conv, cmid, body, mentions });
      return;
    }
    const card = this.store.get().desk?.mine.find((item) => item.conv === conv);
    this.send({ t: "msg", conv, cmid, body, assign_epoch: card?.assign_epoch ?? 0, suggestion });
  }

  private stopTyping(): void {
    clearTimeout(this.typingOff);
    if (this.typingIn) this.send({ t: "typing", conv: this.typingIn, on: false });
    this.typingIn = null;
  }

  private watch(conv: string): void {
    const after = cursor(threadOf(this.store.get(), conv));
    if (this.send({ t: "watch", conv, after, silent: this.silent })) this.watched = conv;
  }

  /** Soon reads the bundle again: drivers, suggestions, wallet and holder may have changed. */
  private refresh(conv: string): void {
    clearTimeout(this.refreshes.get(conv));
    this.refreshes.set(conv, setTimeout(() => {
      this.refreshes.delete(conv);
      void this.open(conv);
    }, REFRESH_MS));
  }

  private step(input: LinkInput): void {
    const [link, effects] = linkStep(this.link, input, { now: Date.now(), draw: Math.random() });
    this.link = link;
    for (const effect of effects) this.run(effect);
    if (link.phase === "preparing" || link.phase === "opening") this.show({ at: "connecting" });
  }

  private show(link: State["link"]): void {
    if (this.store.get().link.at !== link.at || link.at === "waiting") this.store.dispatch({ do: "link", link });
  }

  private run(effect: LinkEffect): void {
    switch (effect.do) {
      case "prepare":
        this.api.post<{ ticket: string }>("/api/desk/ticket").then(
          ({ ticket }) => {
            this.ticket = ticket;
            this.step({ on: "prepared" });
          },
          (error: unknown) => {
            if (error instanceof ApiError && error.status === 401) this.step({ on: "stop" });
            else this.step({ on: "failed" });
          },
        );
        return;
      case "open":
        this.connect();
        return;
      case "greet":
        this.socket?.send(JSON.stringify({ t: "hello", v: "staywell.desk.v1", ticket: this.ticket } satisfies DeskClientFrame));
        return;
      case "ping":
        this.send({ t: "ping", n: effect.n });
        return;
      case "close":
        this.forget(effect.code);
        return;
      case "timer":
        clearTimeout(this.timers.get(effect.name));
        this.timers.set(effect.name, setTimeout(() => this.step({ on: "timer", name: effect.name }), effect.ms));
        if (effect.name === "retry") this.show({ at: "waiting", until: Date.now() + effect.ms });
        return;
      case "cancel":
        clearTimeout(this.timers.get(effect.name));
    }
  }

  private connect(): void {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/desk`);
    this.socket = socket;
    socket.onopen = () => this.step({ on: "opened" });
    socket.onmessage = (event: MessageEvent<unknown>) => {
      const frame = typeof event.data === "string" ? decode<DeskServerFrame>(deskServerFrameShapes, event.data) : null;
      if (frame) this.receive(frame);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.watched = null;
      if (event.code === REPLACED) {
        this.step({ on: "stop" });
        this.show({ at: "replaced" });
      } else this.step({ on: "closed" });
    };
  }

  private forget(code: number): void {
    const { socket } = this;
    this.socket = null;
    this.watched = null;
    // Browsers only let a page close with 1000 or an application's own code.
    socket?.close(code === 1000 || code >= 3000 ? code : 1000);
  }

  private receive(frame: DeskServerFrame): void {
    if (frame.t === "ready") this.step({ on: "ready", pingSeconds: frame.ping_seconds });
    if (frame.t === "pong") this.step({ on: "pong" });
    if (frame.t === "drain") this.step({ on: "renew", ms: frame.after_ms * (0.5 + Math.random()) });
    const before = this.store.get();
    this.store.dispatch({ do: "frame", frame, now: Date.now() });
    this.react(frame, before);
  }

  /** What follows from a frame beyond the state: asking again for what is missing or was left behind. */
  private react(frame: DeskServerFrame, before: State): void {
    const state = this.store.get();
    if (frame.t === "ready") {
      for (const thread of Object.values(state.threads)) {
        for (const pending of thread.pending) if (!pending.failed) this.transmit(thread.conv, pending);
      }
      if (state.selected) this.refresh(state.selected);
    }
    if (frame.t === "caught" && frame.conv === state.selected && document.visibilityState === "visible") {
      this.seen(frame.conv, frame.head); // what was read before the socket was there
    }
    if (frame.t === "done" && frame.command === "accept") {
      const card = [...(before.desk?.offered ?? []), ...(before.desk?.waiting ?? [])].find((item) => item.task === frame.task);
      const conv = frame.conv ?? card?.conv;
      if (conv) this.select(conv);
    } else if (frame.t === "done" && frame.conv) this.refresh(frame.conv);
    if ("conv" in frame && frame.conv && frame.conv === state.selected) {
      const thread = threadOf(state, frame.conv);
      if (thread.gap && !threadOf(before, frame.conv).gap) this.refresh(frame.conv);
      if (frame.t === "score" || (frame.t === "ev" && frame.ev.from === "system")) this.refresh(frame.conv);
    }
  }
}
