// Where the supervisor is, kept in the address: a link to a search or a transcript can be sent to a colleague.
import { query } from "../ui/api.ts";

export type Tab = "live" | "transcripts";
export type Sort = "recent" | "uncertain" | "risk";

export const FILTERS = ["q", "band", "reason", "status", "action", "agent", "locale", "disposition", "escalated", "offer", "csat_max", "from", "to"] as const;
export type Filter = (typeof FILTERS)[number];

export interface Place {
  tab: Tab;
  conv: string | null;
  sort: Sort;
  filters: Readonly<Partial<Record<Filter, string>>>;
}

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const LONGEST = 200;

export function readPlace(search: string): Place {
  const params = new URLSearchParams(search);
  const filters: Partial<Record<Filter, string>> = {};
  for (const name of FILTERS) {
    const value = params.get(name);
    if (!value || value.length > LONGEST) continue;
    if ((name === "from" || name === "to") && !DATE.test(value)) continue;
    filters[name] = value;
  }
  const conv = params.get("conv");
  const sort = params.get("sort");
  return {
    tab: params.get("tab") === "live" ? "live" : "transcripts",
    conv: conv && ULID.test(conv) ? conv : null,
    sort: sort === "uncertain" || sort === "risk" ? sort : "recent",
    filters,
  };
}

export function writePlace({ tab, conv, sort, filters }: Place): string {
  return query({ tab: tab === "live" ? tab : "", conv, sort: sort === "recent" ? "" : sort, ...filters });
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
