// Where the supervisor is, kept in the address: a link to a search or a transcript can be sent to a colleague.
import { query } from "../ui/api.ts";

export const TABS = ["live", "transcripts", "reports", "models", "audit"] as const;
export type Tab = (typeof TABS)[number];
export type Sort = "recent" | "uncertain" | "risk";

export const FILTERS = ["q", "band", "reason", "status", "action", "agent", "locale", "disposition", "contact", "outcome", "escalated", "reviewed", "offer", "csat_max", "from", "to"] as const;
export type Filter = (typeof FILTERS)[number];

export interface Place {
  tab: Tab;
  /** The report that is open. */
  report: string | null;
  /** How many days the report looks back. */
  days: number;
  conv: string | null;
  /** The message of it that is meant, by its number. */
  at: number | null;
  sort: Sort;
  filters: Readonly<Partial<Record<Filter, string>>>;
}

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const LONGEST = 200;

/** Periods of reports, in days. */
export const PERIODS = [7, 30, 90] as const;

export function readPlace(search: string): Place {
  const params = new URLSearchParams(search);
  const filters: Partial<Record<Filter, string>> = {};
  for (const name of FILTERS) {
    const value = params.get(name);
    if (!value || value.length > LONGEST) continue;
    if (name === "contact" && !ULID.test(value)) continue;
    if ((name === "from" || name === "to") && !DATE.test(value)) continue;
    filters[name] = value;
  }
  const conv = params.get("conv");
  const at = Number(params.get("at"));
  const sort = params.get("sort");
  return {
    tab: TABS.find((tab) => tab === params.get("tab")) ?? "transcripts",
    report: /^[a-z-]{1,40}$/.test(params.get("report") ?? "") ? params.get("report") : null,
    days: PERIODS.find((days) => String(days) === params.get("days")) ?? 30,
    conv: conv && ULID.test(conv) ? conv : null,
    at: Number.isSafeInteger(at) && at > 0 ? at : null,
    sort: sort === "uncertain" || sort === "risk" ? sort : "recent",
    filters,
  };
}

export function writePlace({ tab, report, days, conv, at, sort, filters }: Place): string {
  return query({ tab: tab === "transcripts" ? "" : tab, report, days: days === 30 ? "" : days, conv, at, sort: sort === "recent" ? "" : sort, ...filters });
}

/** The start of a local day, UTC ms. */
function startOf(date: string): number {
  const [year = 1970, month = 1, day = 1] = date.split("-").map(Number);
  return new Date(year, month - 1, day).getTime();
}

const DAY = 86_400_000;

/** The query of the list and of its CSV; the last day of a range is inside it. */
export function listQuery({ sort, filters }: Pick<Place, "sort" | "filters">, extra: Readonly<Record<string, string | number | null>> = {}): string {
  const { from, to, ...rest } = filters;
  return query({
    ...rest,
    since: from ? startOf(from) : null,
    until: to ? startOf(to) + DAY : null,
    sort: sort === "recent" ? null : sort,
    ...extra,
  });
}

export function withFilter(place: Place, name: Filter, value: string | null): Place {
  const { [name]: _dropped, ...rest } = place.filters;
  return { ...place, filters: value ? { ...rest, [name]: value } : rest };
}

/** What a saved view keeps: filters and order, as the address has them. */
export function searchOf({ sort, filters }: Pick<Place, "sort" | "filters">): Record<string, string> {
  return { ...(filters as Record<string, string>), ...(sort === "recent" ? {} : { sort }) };
}

/** The list under a saved view. */
export function withSearch(place: Place, search: Readonly<Record<string, string>>): Place {
  const { sort, filters } = readPlace(query(search));
  return { ...place, tab: "transcripts", conv: null, at: null, sort, filters };
}

export function sameSearch(search: Readonly<Record<string, string>>, place: Pick<Place, "sort" | "filters">): boolean {
  const [one, other] = [Object.entries(search), searchOf(place)];
  return one.length > 0 && one.length === Object.keys(other).length && one.every(([name, value]) => other[name] === value);
}

const dateOf = (at: number): string => {
  const date = new Date(at);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
};

/** The transcripts behind a line of a report: its filters as the API names them. */
export function drillPlace(place: Place, drill: Readonly<Record<string, unknown>>): Place {
  const filters: Partial<Record<Filter, string>> = {};
  for (const name of FILTERS) {
    const value = drill[name];
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") filters[name] = String(value);
  }
  if (typeof drill["since"] === "number") filters.from = dateOf(drill["since"]);
  if (typeof drill["until"] === "number") filters.to = dateOf(drill["until"] - 1);
  return { ...place, tab: "transcripts", conv: null, at: null, sort: "recent", filters };
}
