/** A model server, a network that can be cut, and a clock, around the pure client: every race can be replayed from a seed. */
import type { ClientFrame, Ev, ServerFrame } from "../../src/protocol/gen.ts";
import { step } from "../../src/core/chat/reduce.ts";
import { type ChatEffect, type ChatInput, type ChatState, initialChat, type Outgoing } from "../../src/core/chat/state.ts";

export const ulid = (n: number): string => `01J${String(n).padStart(23, "0")}`;
export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** mulberry32: small and repeatable. */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The rules of the server, design §4, over one conversation. */
export class ModelServer {
  epoch = ulid(9000);
  conv = ulid(1);
  log: Ev[] = [];
  /** Sessions that receive events. */
  readonly live = new Set<(frame: ServerFrame) => void>();
  private n = 0;

  append(part: Partial<Ev> & Pick<Ev, "from" | "kind">): Ev {
    this.n += 1;
    const ev: Ev = { t: "ev", seq: this.log.length + 1, id: ulid(10_000 + this.n), at: this.n, data: {}, ...part };
    this.log.push(ev);
    for (const send of this.live) send(ev);
    return ev;
  }

  /** Answers a frame of the client; hello subscribes `send` after the replay. */
  receive(frame: ClientFrame, send: (frame: ServerFrame) => void): void {
    switch (frame.t) {
      case "hello": {
        const head = this.log.length;
        const after = frame.after ?? 0;
        const mode = "bot" as const;
        const limits = { body: 4000, frame_bytes: 16384, ping_seconds: 25 };
        if (frame.conv && (frame.epoch !== this.epoch || after > head || head - after > 500)) {
          send({ t: "reset", conv: this.conv, epoch: this.epoch, head });
        } else {
          send({ t: "ready", conv: this.conv, epoch: this.epoch, head, resumed: !!frame.conv, mode, limits });
          for (const ev of this.log.slice(after)) send(ev);
        }
        this.live.add(send);
        return;
      }
      case "msg":
      case "escalate": {
        const known = this.log.find((ev) => ev.cmid === frame.cmid);
        if (known) return send({ t: "ack", cmid: frame.cmid, seq: known.seq, dup: true });
        const body = frame.t === "msg" ? { body: frame.body } : {};
        const kind = frame.t === "msg" ? "message" : "escalated";
        const ev = this.append({ from: "contact", kind, cmid: frame.cmid, ...body });
        return send({ t: "ack", cmid: frame.cmid, seq: ev.seq, dup: false });
      }
      case "ping":
        return send({ t: "pong", n: frame.n });
      default:
        return;
    }
  }

  /** An old backup comes back: what was stored after `seq` is gone, and the epoch is another one. */
  restore(seq: number): void {
    this.log = this.log.slice(0, seq);
    this.epoch = ulid(9001 + this.n);
    this.n += 1;
  }
}

interface Job {
  at: number;
  order: number;
  run: () => void;
}

export class World {
  now = 1_000_000;
  readonly server = new ModelServer();
  readonly storage = new Map<string, Outgoing>();
  readonly news: Ev[] = [];
  readonly sent: ClientFrame[] = [];
  state: ChatState;
  /** What the shop's page answers when it is asked to vouch. */
  vouch: (() => void) | null = null;
  /** Chance that a request or a frame meets a fault. */
  faults = 0;
  private socket: { open: boolean; send: (frame: ServerFrame) => void } | null = null;
  private jobs: Job[] = [];
  private order = 0;
  private timers = new Map<string, Job>();

  constructor(readonly draw: () => number) {
    this.state = initialChat("en", { resume: null, subject: null }, []);
  }

  input(input: ChatInput): void {
    const [state, effects] = step(this.state, input, { now: this.now, draw: this.draw() });
    this.state = state;
    for (const effect of effects) this.perform(effect);
  }

  /** The page is loaded anew: only what storage keeps survives. */
  reload(): void {
    this.hangUp();
    this.timers.clear();
    this.jobs = [];
    this.state = initialChat("en", this.state.kept, [...this.storage.values()]);
    this.input({ on: "start" });
  }

  /** Cuts the connection; frames under way are lost. */
  cut(code = 1006): void {
    if (!this.socket) return;
    this.hangUp();
    this.input({ on: "closed", code });
  }

  /** Runs what is due within `ms`. */
  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.jobs.sort((a, b) => a.at - b.at || a.order - b.order);
      const job = this.jobs[0];
      if (!job || job.at > end) break;
      this.jobs.shift();
      this.now = Math.max(this.now, job.at);
      job.run();
    }
    this.now = end;
  }

  private hangUp(): void {
    if (!this.socket) return;
    this.socket.open = false;
    this.server.live.delete(this.socket.send);
    this.socket = null;
  }

  private later(ms: number, run: () => void): Job {
    const job = { at: this.now + ms, order: this.order++, run };
    this.jobs.push(job);
    return job;
  }

  private perform(effect: ChatEffect): void {
    const faulty = () => this.draw() < this.faults;
    switch (effect.do) {
      case "session":
        this.later(5 + this.draw() * 50, () =>
          faulty()
            ? this.input({ on: "session_failed", retry: true, code: "network", identity: effect.identity })
            : this.input({
                on: "session",
                identity: effect.identity,
                answer: {
                  token: `token-${this.now}`,
                  expires_at: this.now + 15 * 60_000,
                  resume: effect.identity ? null : "secret",
                  contact: { name: null, verified: false },
                  site: { name: "Shop", locale: "en", currency: "EUR" },
                  conv: { id: this.server.conv, epoch: this.server.epoch, head: this.server.log.length, status: "open" },
                },
              }),
        );
        return;
      case "history":
        this.later(5 + this.draw() * 50, () => {
          if (faulty()) return this.input({ on: "history_failed", before: effect.before });
          const end = effect.before === null ? this.server.log.length : effect.before - 1;
          const events = this.server.log.slice(Math.max(0, end - 50), end);
          const page = { conv: this.server.conv, epoch: this.server.epoch, events, more: end > 50 };
          this.input({ on: "history", page, before: effect.before });
        });
        return;
      case "open": {
        this.hangUp();
        let due = 0;
        const socket = {
          open: true,
          // Frames of one socket keep their order, whatever their delay.
          send: (frame: ServerFrame) => {
            due = Math.max(due, this.now + this.draw() * 40);
            this.later(due - this.now, () => {
              if (!socket.open) return;
              if (faulty()) return this.cut();
              this.input({ on: "frame", frame });
            });
          },
        };
        this.socket = socket;
        this.later(5, () => socket.open && this.input({ on: "opened" }));
        return;
      }
      case "close":
        return this.hangUp();
      case "frame": {
        this.sent.push(effect.frame);
        const { socket } = this;
        if (!socket) return;
        const stored = !faulty();
        this.later(this.draw() * 20, () => {
          if (!socket.open) return;
          if (stored) this.server.receive(effect.frame, socket.send);
          // Cut after the commit, before the ack: the resend must not double it.
          if (!stored || faulty()) this.cut();
        });
        return;
      }
      case "timer": {
        this.cancel(effect.name);
        this.timers.set(
          effect.name,
          this.later(effect.ms, () => {
            this.timers.delete(effect.name);
            this.input({ on: "timer", name: effect.name });
          }),
        );
        return;
      }
      case "cancel":
        return this.cancel(effect.name);
      case "keep_outgoing":
        this.storage.set(effect.item.cmid, effect.item);
        return;
      case "drop_outgoing":
        this.storage.delete(effect.cmid);
        return;
      case "news":
        this.news.push(effect.ev);
        return;
      case "identity_needed":
        this.later(20, () => this.vouch?.());
        return;
      default:
        return;
    }
  }

  private cancel(name: string): void {
    const job = this.timers.get(name);
    if (!job) return;
    this.timers.delete(name);
    this.jobs = this.jobs.filter((other) => other !== job);
  }
}
