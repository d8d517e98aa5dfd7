// Who did what: log-ins, transcripts read, reviews, exports. The trail is a chain of hashes; a break in it is told.
import { useState } from "preact/hooks";
import { query, type Api } from "../ui/api.ts";
import { useLoad } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Button, Empty, Failed, Loading, Name } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { writePlace, type Place } from "./place.ts";

interface Entry {
  id: number;
  at: number;
  name: string;
  action: string;
  object: string | null;
  data: Record<string, unknown>;
}

interface Trail {
  entries: Entry[];
  next: number | null;
  intact: boolean | null;
}

const PAGE = 50;
const CONVERSATION = new Set(["transcript_read", "override"]);

export function Audit({ api, place, setPlace }: { api: Api; place: Place; setPlace: (place: Place) => void }) {
  const { t, f, word } = useI18n();
  const [loaded, reload] = useLoad("audit", (signal) => api.get<Trail>(`/api/review/audit${query({ limit: PAGE })}`, signal));
  const [more, setMore] = useState<Trail | null>(null);
  const [busy, setBusy] = useState(false);
  const entries = [...(loaded.data?.entries ?? []), ...(more?.entries ?? [])];
  const next = more ? more.next : loaded.data?.next ?? null;
  const loadMore = (): void => {
    setBusy(true);
    api.get<Trail>(`/api/review/audit${query({ limit: PAGE, before: next })}`).then(
      (page) => setMore({ ...page, entries: [...(more?.entries ?? []), ...page.entries] }),
      () => reload(),
    ).finally(() => setBusy(false));
  };
  return (
    <main class="report audit" id="content" tabIndex={-1} aria-label={t("nav.audit")}>
      <header class="row wrap report-head">
        <h2 class="title">{t("nav.audit")}</h2>
        <span class="sp" />
        {loaded.data && <span class={loaded.data.intact ? "tag good" : "tag warn"}>{t(loaded.data.intact ? "audit.intact" : "audit.broken")}</span>}
      </header>
      <p class="sm muted">{t("audit.lead")}</p>
      {!loaded.data && loaded.state === "loading" && <Loading label={t("loading")} lines={8} />}
      {!loaded.data && loaded.state === "error" && <Failed error={loaded.error} retry={reload} />}
      {loaded.data && entries.length === 0 && <Empty title={t("audit.nothing")} icon="eye" />}
      {entries.length > 0 && (
        <table class="plain">
          <thead><tr><th scope="col">{t("audit.when")}</th><th scope="col">{t("audit.who")}</th><th scope="col">{t("audit.what")}</th><th scope="col">{t("audit.about")}</th></tr></thead>
          <tbody>
            {entries.map((entry) => {
              const to: Place | null = entry.object && CONVERSATION.has(entry.action) ? { ...place, tab: "transcripts", conv: entry.object } : null;
              const said = typeof entry.data["reason"] === "string" && entry.object ? `${entry.object}: ${entry.data["reason"]}` : entry.object;
              const about = said ?? Object.entries(entry.data).map(([key, value]) => `${key} ${String(value)}`).join(" · ");
              return (
                <tr key={entry.id}>
                  <th scope="row" class="num">{f.dateTime(entry.at)}</th>
                  <td><Name name={entry.name} /></td>
                  <td>{word("audit_action", entry.action)}</td>
                  <td class="num">{to
                    ? <a href={`/supervisor${writePlace(to)}`} onClick={(event) => { if (event.metaKey || event.ctrlKey) return; event.preventDefault(); setPlace(to); }}>{oneLine(about, 40)}</a>
                    : <bdi>{oneLine(about, 160)}</bdi>}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {next !== null && <div class="more"><Button look="ghost" busy={busy} onClick={loadMore}>{t("list.more")}</Button></div>}
    </main>
  );
}
