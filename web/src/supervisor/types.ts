// What the review API says (docs/http.md, "Supervisors").
import type { Bundle } from "../ui/bundle.ts";

export interface Week {
  week: number;
  churn: number | null;
  n: number;
}

export interface Figures {
  retention: { lift_pt: number; low: number; high: number; n: number } | null;
  high_risk_now: number;
  waiting: number;
  longest_wait_s: number | null;
  first_response_s: { bot: number | null; agent: number | null };
  offers: { spent: number; budget: number; currency: string };
  conversations: number;
  escalations: number;
  csat: number | null;
  churn_weekly: Week[];
}

export interface Line {
  id: string;
  name: string | null;
  verified: boolean;
  locale: string;
  created_at: number;
  updated_at: number;
  status: string;
  band: string | null;
  risk: number | null;
  reasons: string[];
  turns: number;
  agent: string | null;
  csat: number | null;
  disposition: string | null;
  escalated: boolean;
  action_last: string | null;
  preview: string | null;
  /** The message in which one of the words stands. */
  match?: { seq: number; text: string } | null;
}

export interface Page {
  conversations: Line[];
  next: string | null;
  total: number;
}

export interface Candidate {
  id: string;
  kind?: string;
  rank?: number;
  score?: number;
  sources?: Record<string, number>;
  why?: string[];
}

export interface DecisionRow {
  id: string;
  seq: number;
  reply_seq: number | null;
  ts_decision: number;
  kind: string;
  action: string;
  eligible: string[];
  probabilities: number[];
  values: number[];
  ineligible: { action: string; why: string }[];
  propensity: number;
  explored: boolean;
  floor: number;
  seed: string;
  overrides: string[];
  holdout: boolean;
  candidates: Candidate[];
  versions: Record<string, string>;
  shadow: { version: string; score: number | null; action?: string }[];
  latency_ms: number;
  degraded: string[];
  score: number | null;
  low: number | null;
  high: number | null;
  cost?: number;
  delivered_at?: number | null;
  not_delivered?: string | null;
}

export interface OutcomeRow {
  id: string;
  decision_id: string | null;
  type: string;
  value: number | null;
  currency: string | null;
  label: Record<string, unknown>;
  source: string;
  ts_event: number;
  ts_ingested: number;
  matures_at: number | null;
  supersedes: string | null;
}

export interface ReviewRow {
  id: string;
  decision: string | null;
  by: string;
  verdict: string;
  label: { will_leave?: boolean; reasons?: string[]; action?: string };
  comment: string | null;
  at: number;
}

export interface Criterion {
  id: string;
  title: { en?: string; zh?: string };
  most: number;
}

export interface CardRow {
  id: string;
  by: string;
  agent: string | null;
  marks: (Criterion & { points: number })[];
  share: number;
  comment: string | null;
  at: number;
  /** Not replaced by a later one of the same reviewer. */
  counts: boolean;
}

export interface SavedView {
  id: string;
  name: string;
  filters: Record<string, string>;
  shared: boolean;
  own: boolean;
  by: string;
  updated_at: number;
}

export interface Transcript extends Bundle {
  decisions: DecisionRow[];
  outcomes: OutcomeRow[];
  reviews: ReviewRow[];
  scorecards: CardRow[];
  /** The agents who wrote, who did last first. */
  speakers: { id: string; name: string }[];
}

export interface AgentLine {
  id: string;
  name: string;
  presence?: "available" | "away" | "offline";
  load?: number;
  capacity?: number;
}

export interface Figure {
  name: string;
  value: number | null;
  low: number | null;
  high: number | null;
}

export interface Check {
  name: string;
  passed: boolean;
  limit: number | null;
  figure: Omit<Figure, "name"> | null;
  detail?: string;
}

export interface Gate {
  champion: string;
  passed: boolean;
  checks: Check[];
  training_set?: string;
}

/** A model of the registry; one that is damaged has only `why`. */
export interface ModelLine {
  version: string;
  state: "champion" | "canary" | "shadow" | "before" | "passed" | "refused" | "retired" | "untested" | "damaged";
  why?: string;
  encoder?: string;
  bands?: { elevated: number; high: number };
  figures?: Figure[];
  card?: string;
  gate?: Gate | null;
}

export interface Move {
  at: number | null;
  what: string;
  version: string;
  champion: string;
  from: string | null;
  share: number;
  reason: string;
  by: string;
}

export interface Registry {
  champion: string;
  challenger: string | null;
  share: number;
  before: string | null;
  models: ModelLine[];
  journal: Move[];
  serving: { version: string; turns: number; failed: number; p95_ms: number }[];
  refused: string | null;
  movable: boolean;
  may_move: boolean;
}
