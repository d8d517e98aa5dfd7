// What the server says about one conversation (docs/http.md, "the bundle"), shared by console and supervisor.
import type { DeskNote, DeskScore, Ev, TaskCard } from "../protocol/gen.ts";
import type { Driver } from "./drivers.tsx";

export type Score = Omit<DeskScore, "t" | "conv">;
export type Note = Omit<DeskNote, "t" | "conv">;

export interface Contact {
  id: string;
  name: string | null;
  email: string | null;
  locale: string | null;
  verified: boolean;
  since: number | null;
  external_id: string | null;
  value_year: number | null;
  currency: string;
  orders: number;
  returns: number;
  last_order_at: number | null;
  csat_last: number[];
  group: "treated" | "holdout";
}

export interface ScriptSuggestion {
  id: string;
  title: string;
  text: string;
  why: string[];
  sources?: Record<string, number>;
  score: number;
  offer?: { id: string; kind: string; amount: number; cost: number } | null;
}

export interface ProductSuggestion {
  id: string;
  title: string;
  price: number;
  currency: string;
  stock: number;
  image?: string | null;
  why: string[];
  sources?: Record<string, number>;
  score: number;
}

export interface OrderLine {
  product_id?: string;
  title?: string;
  quantity?: number;
  unit_price?: number;
}

export interface Order {
  order_no: string;
  ts_event: number;
  status: string;
  total: number;
  currency: string;
  lines: OrderLine[];
  delivered_at: number | null;
  promised_at: number | null;
}

export interface Returned {
  order_no: string;
  product_id: string | null;
  reason: string | null;
  amount: number;
  ts_event: number;
}

export interface Summary {
  problem: string;
  done: string | string[];
  offered: string | string[];
  language: string;
}

export interface Bundle {
  conversation: {
    id: string;
    epoch: string;
    status: "open" | "escalated" | "resolved";
    holder: string;
    assign_epoch: number;
    head: number;
    locale: string;
    created_at: number;
    mode: "bot" | "waiting" | "agent" | "resolved";
    band: string | null;
    risk: number | null;
    csat: number | null;
  };
  task: TaskCard | null;
  contact: Contact;
  scores: Score[];
  events: Ev[];
  notes: Note[];
  summary: Summary | null;
  reasons: { reason: string; probability: number }[];
  drivers: Driver[];
  /** What is unusual about the behaviour; null where nobody looked. */
  anomaly?: { rarity: number; gated: boolean; signals: { code: string; words: { en: string; zh: string } }[] } | null;
  tried: { seq: number; action: string; at: number }[];
  suggestions: { scripts: ScriptSuggestion[]; products: ProductSuggestion[] };
  wallet: { left: number; cap: number; currency: string } | null;
  orders: Order[];
  returns: Returned[];
  dispositions: string[];
  /** Where the bands begin, for the curve. */
  thresholds?: { elevated: number; high: number } | null;
}

/** A line of the contact's earlier conversations. */
export interface Earlier {
  id: string;
  created_at: number;
  status: string;
  band: string | null;
  risk: number | null;
  reasons: string[];
  csat: number | null;
  disposition: string | null;
  preview: string | null;
}

export type Item =
  | { is: "ev"; key: string; at: number; ev: Ev; turn: number | null }
  | { is: "note"; key: string; at: number; note: Note }
  | { is: "day"; key: string; at: number };

const dayOf = (at: number): string => new Date(at).toDateString();

/** The transcript in order: events by seq, notes after the event that they follow, a line where a day begins. */
export function transcript(events: readonly Ev[], notes: readonly Note[]): Item[] {
  const waiting = [...notes].sort((a, b) => a.after_seq - b.after_seq || a.at - b.at);
  const items: Item[] = [];
  let day = "";
  let turn = 0;
  const put = (item: Item): void => {
    if (dayOf(item.at) !== day) {
      day = dayOf(item.at);
      items.push({ is: "day", key: `day-${item.at}-${items.length}`, at: item.at });
    }
    items.push(item);
  };
  const notesUpTo = (seq: number): void => {
    while (waiting.length && waiting[0]!.after_seq < seq) {
      const note = waiting.shift()!;
      put({ is: "note", key: note.id, at: note.at, note });
    }
  };
  for (const ev of events) {
    notesUpTo(ev.seq);
    const isTurn = ev.from === "contact" && ev.kind === "message";
    if (isTurn) turn += 1;
    put({ is: "ev", key: ev.id, at: ev.at, ev, turn: isTurn ? turn : null });
  }
  notesUpTo(Infinity);
  return items;
}

/** The number of a contact's turn, counted from 1, for a seq. */
export function turnNumber(events: readonly Ev[], seq: number): number {
  return events.filter((ev) => ev.seq <= seq && ev.from === "contact" && ev.kind === "message").length;
}

/** The scores that carry a number, as points of the curve, in order. */
export function curvePoints(scores: readonly Score[]): { seq: number; churn: number; low: number | null; high: number | null; band: string | null }[] {
  return scores
    .filter((score): score is Score & { churn: number } => typeof score.churn === "number")
    .sort((a, b) => a.seq - b.seq)
    .map((score) => ({ seq: score.seq, churn: score.churn, low: score.low ?? null, high: score.high ?? null, band: score.band ?? null }));
}

export const asList = (value: string | string[] | null | undefined): string[] =>
  Array.isArray(value) ? value : value ? [value] : [];
