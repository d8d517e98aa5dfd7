/** The events of a conversation as the contact's screen reads them. Their kinds stand in docs/http.md. */
import type { Ev, Ready } from "../../protocol/gen.ts";

export type Mode = Ready["mode"];

export interface Product {
  id: string;
  title: string;
  /** Integer minor units. */
  price: number;
  currency: string;
  stock: number;
  image: string | null;
  url: string | null;
}

export interface Offer {
  id: string;
  decision: string;
  title: string;
  /** UTC milliseconds, or null where it does not end. */
  validUntil: number | null;
}

export interface Wait {
  /** Place in the queue, 1 is next; null when unknown. */
  position: number | null;
  estimateSeconds: number | null;
}

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);
const figure = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);

/** Short answers that the bot proposes, at most six. */
export function quickReplies(ev: Ev): string[] {
  const replies = ev.data.quick_replies;
  return Array.isArray(replies) ? replies.filter((reply) => text(reply) !== null).slice(0, 6) : [];
}

/** The products of a `products` event; entries without id, title or price are left out. */
export function products(ev: Ev): Product[] {
  const list = ev.data.products;
  if (!Array.isArray(list)) return [];
  return list.flatMap((item: Record<string, unknown> | null): Product[] => {
    const id = text(item?.id);
    const title = text(item?.title);
    const price = figure(item?.price);
    const currency = text(item?.currency);
    if (!item || id === null || title === null || price === null || currency === null) return [];
    return [{ id, title, price, currency, stock: figure(item.stock) ?? 0, image: text(item.image), url: text(item.url) }];
  });
}

/** The offer of an `offer` event, or null. */
export function offerOf(ev: Ev): Offer | null {
  const offer = ev.data.offer as Record<string, unknown> | null | undefined;
  const id = text(offer?.id);
  const decision = text(offer?.decision);
  if (!offer || id === null || decision === null) return null;
  return { id, decision, title: text(offer.title) ?? "", validUntil: figure(offer.valid_until) };
}

/** The answer that a contact gave to an offer: true, false, or null where there is none yet. */
export function answerTo(events: readonly Ev[], offer: Offer): boolean | null {
  const answer = events.findLast((ev) => ev.kind === "offer_answer" && ev.data.decision === offer.decision);
  return answer ? answer.data.accepted === true : null;
}

/** Place and estimate of an `escalated` event. */
export const waitOf = (ev: Ev): Wait => ({
  position: figure(ev.data.position),
  estimateSeconds: figure(ev.data.estimate_s),
});

/** Name of the agent that an event speaks of. */
export const agentOf = (ev: Ev): string | null => text(ev.data.agent) ?? text(ev.name);

/** Who holds the conversation after an event. */
export function modeAfter(mode: Mode, ev: Ev): Mode {
  switch (ev.kind) {
    case "escalated":
    case "left":
      return "waiting";
    case "joined":
      return "agent";
    case "returned":
      return "bot";
    case "resolved":
      return "resolved";
    default:
      return mode;
  }
}

/** Whether an event is something that the contact should be told about: not their own, not bookkeeping. */
export const isNews = (ev: Ev): boolean => ev.from !== "contact" && ["message", "products", "offer", "joined"].includes(ev.kind);
