// ⌘K: every transcript of the shop by its words, and the ways to the desk's own places.
import { useMemo, useState } from "preact/hooks";
import type { Api } from "../ui/api.ts";
import { Finder } from "../ui/finder.tsx";
import { useLoad, useRest } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Band, Name } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { TABS, listQuery, withSearch, type Place } from "./place.ts";
import { Marked } from "./list.tsx";
import type { Line, Page, SavedView } from "./types.ts";

const MOST_HITS = 12;
const MOST_WAYS = 6;

interface Way {
  key: string;
  label: string;
  place: Place;
}

export function Palette({ api, place, setPlace, onClose }: { api: Api; place: Place; setPlace: (place: Place) => void; onClose: () => void }) {
  const { t, f } = useI18n();
  const [typed, setTyped] = useState("");
  const words = useRest(typed.trim(), 200);
  const search = listQuery({ sort: "recent", filters: words ? { q: words } : {} }, { limit: MOST_HITS });
  const [found] = useLoad(words ? search : null, (signal) => api.get<Page>(`/api/review/conversations${search}`, signal));
  const [views] = useLoad("views", (signal) => api.get<{ views: SavedView[] }>("/api/review/views", signal));
  const ways = useMemo(() => {
    const all: Way[] = [
      ...TABS.map((tab) => ({ key: tab, label: t(`nav.${tab}`), place: { ...place, tab } })),
      ...(views.data?.views ?? []).map((view) => ({ key: view.id, label: oneLine(view.name, 80), place: withSearch(place, view.filters) })),
    ];
    const wanted = typed.trim().toLocaleLowerCase();
    return all.filter((way) => way.label.toLocaleLowerCase().includes(wanted)).slice(0, MOST_WAYS);
  }, [typed, views.data, t, place]);
  const hits: readonly Line[] = words && found.data ? found.data.conversations : [];
  const choices = [
    ...hits.map((hit) => ({
      key: hit.id,
      choose: () => setPlace({ ...place, tab: "transcripts", conv: hit.id, at: hit.match?.seq ?? null }),
      body: (
        <>
          <span class="row"><span class="clip"><Name name={hit.name} fallback={t("who.guest")} /></span><span class="xs muted num">{f.date(hit.updated_at)}</span><span class="sp" /><Band band={hit.band} risk={hit.risk} /></span>
          <span class="sm muted clip"><Marked text={hit.match?.text ?? hit.preview ?? ""} words={words} /></span>
        </>
      ),
    })),
    ...ways.map((way) => ({
      key: way.key,
      choose: () => setPlace(way.place),
      body: <span class="sm"><span class="muted">{t("palette.go")}</span> <bdi>{way.label}</bdi></span>,
    })),
  ];
  const everything = (): void => {
    setPlace({ ...place, tab: "transcripts", conv: null, at: null, sort: "recent", filters: { q: words } });
    onClose();
  };
  const searching = typed.trim() !== words || (words !== "" && found.state === "loading");
  const total = found.data?.total ?? 0;
  const status = searching ? t("palette.searching") : words && found.state === "error" ? t("palette.failed") : words ? t("list.total", { n: total, shown: f.count(total) }) : t("palette.hint");
  return (
    <Finder title={t("palette.title")} label={t("palette.label")} typed={typed} onType={setTyped} choices={choices} ready={!searching || !typed.trim()} status={status} onClose={onClose} class="palette">
      {words && total > hits.length && <div><button type="button" class="btn" onClick={everything}>{t("palette.all")}</button></div>}
    </Finder>
  );
}
