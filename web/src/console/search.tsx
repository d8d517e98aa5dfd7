// Search: what is on the desk at once, every other conversation of the shop as soon as the server has found it.
import { useMemo, useState } from "preact/hooks";
import type { TaskCard } from "../protocol/gen.ts";
import type { Earlier } from "../ui/bundle.ts";
import { Finder } from "../ui/finder.tsx";
import { useLoad, useRest } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Band, Name } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { useConsole, useDesk, type Place } from "./context.ts";
import { cards, type Thread } from "./state.ts";

interface Hit {
  conv: string;
  /** The message in which the words stand, where it is known. */
  seq: number | null;
  name: string | null;
  text: string;
  band: string | null;
  risk: number | null;
  where: string;
}

/** A line of `GET /api/desk/search`. */
interface Found {
  id: string;
  name: string;
  status: string;
  band: string | null;
  risk: number | null;
  created_at: number;
  preview: string;
  match: { seq: number; text: string } | null;
}

const MOST_HITS = 50;
const PAUSE_MS = 200;

export function SearchDialog({ thread, goTo, onClose }: { thread: Thread | null; goTo: (place: Place) => void; onClose: () => void }) {
  const { t, f, word } = useI18n();
  const { desk, api } = useConsole();
  const listed = useDesk((state) => state.desk);
  const all = useDesk((state) => state);
  const [typed, setTyped] = useState("");
  const contact = thread?.bundle?.contact.id ?? null;
  const [history] = useLoad(contact, (signal) => api.get<{ conversations: Earlier[] }>(`/api/desk/history?contact=${encodeURIComponent(contact!)}`, signal));
  const asked = useRest(typed.trim(), PAUSE_MS);
  const [everywhere] = useLoad(asked || null, (signal) => api.get<{ conversations: Found[] }>(`/api/desk/search?q=${encodeURIComponent(asked)}`, signal));
  const searching = typed.trim() !== "" && (asked !== typed.trim() || everywhere.state === "loading");
  const hits = useMemo(() => {
    const where = (card: TaskCard): string => (listed?.mine.includes(card) ? t("queue.mine") : listed?.waiting.includes(card) ? t("queue.waiting") : t("queue.others"));
    const here: Hit[] = cards(all).map((card) => ({
      conv: card.conv, seq: null, name: card.name, text: card.preview, band: card.band ?? null, risk: card.risk ?? null, where: where(card),
    }));
    const earlier: Hit[] = (history.data?.conversations ?? []).map((one) => ({
      conv: one.id, seq: null, name: thread?.bundle?.contact.name ?? null, text: one.preview ?? word("status", one.status), band: one.band, risk: one.risk, where: t("search.earlier"),
    }));
    const wanted = typed.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const listedHere = new Set(here.map((hit) => hit.conv));
    const known = [...here, ...earlier.filter((hit) => !listedHere.has(hit.conv))].filter((hit) => wanted.every((part) => `${hit.name ?? ""} ${hit.text}`.toLocaleLowerCase().includes(part)));
    const found: Hit[] = (asked === typed.trim() && wanted.length ? everywhere.data?.conversations ?? [] : []).map((one) => ({
      conv: one.id, seq: one.match?.seq ?? null, name: one.name, text: one.match?.text ?? one.preview, band: one.band, risk: one.risk, where: f.date(one.created_at),
    }));
    const said = new Map(found.map((hit) => [hit.conv, hit]));
    const seen = new Set(known.map((hit) => hit.conv));
    const first = known.map((hit) => (said.get(hit.conv)?.seq ? { ...hit, seq: said.get(hit.conv)!.seq, text: said.get(hit.conv)!.text } : hit));
    return [...first, ...found.filter((hit) => !seen.has(hit.conv))].slice(0, MOST_HITS);
  }, [typed, asked, listed, history.data, everywhere.data]);
  const choices = hits.map((hit) => ({
    key: hit.conv,
    choose: () => (hit.seq === null ? desk.select(hit.conv) : goTo({ conv: hit.conv, seq: hit.seq })),
    body: (
      <>
        <span class="row"><span class="clip"><Name name={hit.name} fallback={t("who.guest")} /></span><span class="xs muted">{hit.where}</span><span class="sp" /><Band band={hit.band} risk={hit.risk} /></span>
        <span class="sm muted clip"><bdi>{oneLine(hit.text)}</bdi></span>
      </>
    ),
  }));
  const status = everywhere.state === "error" ? word("error", everywhere.error.code) : searching ? t("search.searching") : hits.length === 0 ? t("search.nothing") : "";
  return <Finder title={t("search.title")} label={t("search.label")} typed={typed} onType={setTyped} choices={choices} status={status} onClose={onClose} />;
}
