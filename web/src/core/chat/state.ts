/** State, inputs and effects of the contact's side of `staywell.chat.v1`. */
import type { ClientFrame, Ev, Nack, ServerFrame } from "../../protocol/gen.ts";
import { idleLink, type Link, type LinkTimer } from "../link.ts";
import type { Mode } from "./events.ts";

/** Something the contact sent that is not yet an event. */
export interface Outgoing {
  readonly cmid: string;
  readonly kind: "msg" | "escalate";
  /** The text, or the reason for wanting a person. */
  readonly body: string;
  /** When it was written, UTC milliseconds. */
  readonly at: number;
  /** pending: goes out, again after each reconnect; acked: stored by the server; failed: not sent, the contact may retry. */
  readonly state: "pending" | "acked" | "failed";
  /** Conversation in which it was first put on the wire. */
  readonly conv?: string | undefined;
  /** Its place in the log, once acked. */
  readonly seq?: number | undefined;
  readonly error?: Nack["code"] | "expired" | undefined;
}

/** What the server said about the session; `POST /api/widget/session` in docs/http.md. */
export interface SessionAnswer {
  token: string;
  /** UTC milliseconds. */
  expires_at: number;
  /** The secret by which a guest comes back; none for an identified contact, whom the shop vouches for each time. */
  resume: string | null;
  contact: { name: string | null; verified: boolean };
  site: { name: string; locale: string; currency: string };
  conv?: { id: string; epoch: string; head: number; status: string } | null;
}

export interface HistoryPage {
  conv: string;
  epoch: string;
  events: Ev[];
  more: boolean;
}

/** What is remembered between page loads. */
export interface Kept {
  readonly resume: string | null;
  /** Subject of the identity that the resume secret belongs to; null for a guest. */
  readonly subject: string | null;
}

export interface ChatState {
  readonly link: Link;
  readonly online: boolean;
  readonly locale: string;
  /** The contact wants to be connected. */
  readonly wanted: boolean;
  /** The shop's signed statement of who this is, until a session was made with it: it lives minutes only. */
  readonly identity: string | null;
  readonly kept: Kept;
  readonly session: SessionAnswer | null;
  /** Why there is no session and none is tried for: the site refused. */
  readonly refused: string | null;
  readonly conv: string | null;
  readonly epoch: string | null;
  /** The contact wants a new conversation, whatever the session says is open. */
  readonly fresh: boolean;
  /** Highest sequence number that the server has spoken of. */
  readonly head: number;
  /** Sequence number of the last applied event: the cursor. */
  readonly last: number;
  /** Applied events, ascending and without a gap. */
  readonly events: readonly Ev[];
  /** Whether events before the first one can be fetched. */
  readonly more: boolean;
  /** newest: the view must be loaded before events are applied; older: a page before the first event is on its way. */
  readonly loading: "none" | "newest" | "older";
  /** Events that came while the view was being loaded. */
  readonly held: readonly Ev[];
  readonly mode: Mode;
  readonly agent: string | null;
  readonly outbox: readonly Outgoing[];
  /** The message on the wire: one at a time, so that a refused one is never overtaken. */
  readonly wire: string | null;
  /** The server asked for a pause before the next message. */
  readonly paused: boolean;
  /** Somebody else is writing. */
  readonly typing: "bot" | "agent" | null;
  /** A reply that is being written, piece by piece. */
  readonly part: { replyTo: number; next: number; body: string } | null;
  /** Up to where the other side has seen. */
  readonly seenByThem: number;
  /** Up to where the contact has seen, and what of it the server has been told. */
  readonly seenByMe: number;
  readonly seenTold: number;
  readonly visible: boolean;
  readonly typingTold: boolean;
}

export type ChatTimer = LinkTimer | "flush" | "expire" | "token" | "typing" | "idle";

export type ChatInput =
  | { on: "start" }
  | { on: "stop" }
  | { on: "session"; answer: SessionAnswer; identity: string | null }
  | { on: "session_failed"; retry: boolean; code: string; identity: string | null; after?: number | undefined }
  | { on: "history"; page: HistoryPage; before: number | null }
  | { on: "history_failed"; before: number | null; after?: number | undefined }
  | { on: "older" }
  | { on: "opened" }
  | { on: "frame"; frame: ServerFrame }
  | { on: "closed"; code: number }
  | { on: "send"; cmid: string; body: string }
  | { on: "escalate"; cmid: string; reason: string }
  | { on: "retry"; cmid: string }
  | { on: "discard"; cmid: string }
  | { on: "write"; writing: boolean }
  | { on: "visible"; visible: boolean }
  | { on: "online"; online: boolean }
  | { on: "identify"; identity: string | null; subject: string | null }
  | { on: "locale"; locale: string }
  | { on: "new_chat" }
  | { on: "timer"; name: ChatTimer };

export type ChatEffect =
  | { do: "session"; identity: string | null; resume: string | null; locale: string }
  | { do: "history"; conv: string; before: number | null }
  | { do: "open" }
  | { do: "close"; code: number }
  | { do: "frame"; frame: ClientFrame }
  | { do: "timer"; name: ChatTimer; ms: number }
  | { do: "cancel"; name: ChatTimer }
  | { do: "keep"; kept: Kept }
  | { do: "keep_outgoing"; item: Outgoing }
  | { do: "drop_outgoing"; cmid: string }
  /** An event that just came, never one of a page of history. */
  | { do: "news"; ev: Ev }
  /** The session of an identified contact cannot be renewed: the shop's page has to vouch again. */
  | { do: "identity_needed" };

/** The state before anything happened, with what was remembered. */
export const initialChat = (locale: string, kept: Kept, outbox: readonly Outgoing[]): ChatState => ({
  link: idleLink,
  online: true,
  locale,
  wanted: false,
  identity: null,
  kept,
  session: null,
  refused: null,
  conv: null,
  epoch: null,
  fresh: false,
  head: 0,
  last: 0,
  events: [],
  more: false,
  loading: "none",
  held: [],
  mode: "bot",
  agent: null,
  outbox,
  wire: null,
  paused: false,
  typing: null,
  part: null,
  seenByThem: 0,
  seenByMe: 0,
  seenTold: 0,
  visible: false,
  typingTold: false,
});
