/** What the contact's screen shows of the state, in order: pure selectors. */
import type { Ev } from "../../protocol/gen.ts";
import { isNews } from "./events.ts";
import type { ChatState, Outgoing } from "./state.ts";

/** How far the contact's own words have come. */
export type Delivery = "sending" | "offline_send" | "failed" | "delivered" | "seen";

export type Item =
  | { is: "day"; key: string; at: number }
  | { is: "event"; key: string; ev: Ev; joined: boolean; delivery: Delivery | null }
  | { is: "outgoing"; key: string; item: Outgoing; delivery: Delivery };

const DAY_GAP_MS = 3 * 3_600_000;
/** Messages of one side this close together are drawn as one group. */
const GROUP_MS = 3 * 60_000;

const isBubble = (ev: Ev): boolean => ev.kind === "message" || ev.kind === "products" || ev.kind === "offer";

/** Events that are folded into others, or are for the record only. */
const isHidden = (ev: Ev): boolean => ev.kind === "offer_answer" || ev.kind === "csat";

/** Whether the other side has seen, or answered, an event of the contact. */
function isSeen(state: ChatState, ev: Ev, answeredFrom: number): boolean {
  return ev.seq <= state.seenByThem || ev.seq < answeredFrom;
}

/** The list to draw: times where a pause was long, events, then what is still on its way. */
export function timeline(state: ChatState): Item[] {
  const items: Item[] = [];
  // Only the newest of the contact's own messages says how far it came: the ones before came at least as far.
  const own = state.events.findLast((ev) => ev.from === "contact" && ev.kind === "message");
  const answer = state.events.findLast((ev) => (ev.from === "bot" || ev.from === "agent") && isBubble(ev));
  let before: Ev | null = null;
  for (const ev of state.events) {
    if (isHidden(ev)) continue;
    if (!before || ev.at - before.at > DAY_GAP_MS) items.push({ is: "day", key: `day${ev.seq}`, at: ev.at });
    const joined: boolean =
      before !== null && before.from === ev.from && isBubble(before) && isBubble(ev) && ev.at - before.at < GROUP_MS;
    const delivery = ev === own ? (isSeen(state, ev, answer?.seq ?? 0) ? "seen" : "delivered") : null;
    items.push({ is: "event", key: ev.id, ev, joined, delivery });
    before = ev;
  }
  const live = state.online && state.link.phase === "live";
  for (const item of state.outbox) {
    const delivery =
      item.state === "acked" ? "delivered" : item.state === "failed" ? "failed" : live ? "sending" : "offline_send";
    items.push({ is: "outgoing", key: item.cmid, item, delivery });
  }
  return items;
}

/** How many events came that the contact has not looked at. */
export const unread = (state: ChatState): number =>
  state.events.filter((ev) => ev.seq > state.seenByMe && isNews(ev)).length;

/** Whether a person was asked for and none has come yet, the request under way included. */
export const wantsPerson = (state: ChatState): boolean =>
  state.mode === "waiting" || state.outbox.some((item) => item.kind === "escalate" && item.state !== "failed");

/** Short answers under the newest event, as long as nothing was said after it. */
export function openReplies(state: ChatState): Ev | null {
  const newest = state.events.findLast((ev) => !isHidden(ev));
  return newest?.from === "bot" && state.mode !== "resolved" && !state.outbox.length ? newest : null;
}

export type Banner = "offline" | "connecting" | "refused" | null;

/** What to say about the connection; a first connection in good time says nothing. */
export function banner(state: ChatState): Banner {
  if (state.refused !== null) return "refused";
  if (!state.online) return "offline";
  return state.link.phase === "waiting" || state.link.attempt > 0 ? (state.link.phase === "live" ? null : "connecting") : null;
}

export interface TranscriptWords {
  contact: string;
  bot: string;
  agent: string;
  system: (ev: Ev) => string | null;
  time: (at: number) => string;
}

/** The conversation as plain text, one entry a paragraph. */
export function transcript(events: readonly Ev[], words: TranscriptWords): string {
  const lines: string[] = [];
  for (const ev of events) {
    const who = ev.from === "contact" ? words.contact : ev.from === "bot" ? words.bot : (ev.name ?? words.agent);
    const said = ev.body ?? null;
    const line = said !== null && ev.from !== "system" ? `${who}: ${said}` : words.system(ev);
    if (line !== null) lines.push(`[${words.time(ev.at)}] ${line}`);
  }
  return `${lines.join("\n\n")}\n`;
}
