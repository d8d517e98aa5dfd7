// ⌘K: every transcript of the shop by its words, and the ways to the desk's own places.
import { useEffect, useId, useMemo, useState } from "preact/hooks";
import type { Api } from "../ui/api.ts";
import { useLoad, useRest } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Band, Dialog, Name, cx } from "../ui/parts.tsx";
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
  const [picked, setPicked] = useState(0);
  const id = useId();
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
  const count = hits.length + ways.length;
  const at = Math.min(picked, Math.max(0, count - 1));
  useEffect(() => {
    document.getElementById(`${id}-${at}`)?.scrollIntoView({ block: "nearest" });
  }, [at]);
  const choose = (index: number): void => {
    const [hit, way] = [hits[index], ways[index - hits.length]];
    if (hit) setPlace({ ...place, tab: "transcripts", conv: hit.id, at: hit.match?.seq ?? null });
    else if (way) setPlace(way.place);
    else return;
    onClose();
  };
  const everything = (): void => {
    setPlace({ ...place, tab: "transcripts", conv: null, at: null, sort: "recent", filters: { q: words } });
    onClose();
  };
  const searching = typed.trim() !== words || (words !== "" && found.state === "loading");
  return (
    <Dialog title={t("palette.title")} onClose={onClose} class="palette">
      <input
        type="text"
        inputMode="search"
        role="combobox"
        aria-expanded={count > 0}
        aria-controls={`${id}-hits`}
        aria-activedescendant={count ? `${id}-${at}` : undefined}
        aria-label={t("palette.label")}
        placeholder={t("palette.label")}
        maxLength={200}
        value={typed}
        onInput={(event) => { setTyped(event.currentTarget.value); setPicked(0); }}
        onKeyDown={(event) => {
          if (event.isComposing) return;
          if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            setPicked((at + (event.key === "ArrowDown" ? 1 : count - 1)) % Math.max(1, count));
          } else if (event.key === "Enter") {
            event.preventDefault();
            if (!searching || !typed.trim()) choose(at);
          }
        }}
      />
      <ul id={`${id}-hits`} role="listbox" aria-label={t("palette.title")} class="pal-hits">
        {hits.map((hit, i) => (
          <li key={hit.id} id={`${id}-${i}`} role="option" aria-selected={i === at} class={cx("pal-hit", i === at && "on")} onClick={() => choose(i)}>
            <span class="row"><span class="clip"><Name name={hit.name} fallback={t("who.guest")} /></span><span class="xs muted num">{f.date(hit.updated_at)}</span><span class="sp" /><Band band={hit.band} risk={hit.risk} /></span>
            <span class="sm muted clip"><Marked text={hit.match?.text ?? hit.preview ?? ""} words={words} /></span>
          </li>
        ))}
        {ways.map((way, j) => {
          const i = hits.length + j;
          return <li key={way.key} id={`${id}-${i}`} role="option" aria-selected={i === at} class={cx("pal-hit", i === at && "on")} onClick={() => choose(i)}><span class="sm"><span class="muted">{t("palette.go")}</span> <bdi>{way.label}</bdi></span></li>;
        })}
      </ul>
      <p class="sm muted" role="status">
        {searching ? t("palette.searching") : words && found.state === "error" ? t("palette.failed") : words ? t("list.total", { n: found.data?.total ?? 0, shown: f.count(found.data?.total ?? 0) }) : t("palette.hint")}
      </p>
      {words && (found.data?.total ?? 0) > hits.length && <div><button type="button" class="btn" onClick={everything}>{t("palette.all")}</button></div>}
    </Dialog>
  );
}
