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

export interface Transcript extends Bundle {
  decisions: DecisionRow[];
  outcomes: OutcomeRow[];
  reviews: ReviewRow[];
}

export interface AgentLine {
  id: string;
  name: string;
  presence?: "available" | "away" | "offline";
  load?: number;
  capacity?: number;
}
