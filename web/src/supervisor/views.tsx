// Saved views of the list: open one, keep the present search under a name, rename, share, take out.
import { useState } from "preact/hooks";
import { asApiError, type Api, type ApiError } from "../ui/api.ts";
import { useLoad } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Icon } from "../ui/icons.tsx";
import { Button, Dialog, Failed, IconButton, Loading, Name, Popover, cx } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { sameSearch, searchOf, withSearch, type Place } from "./place.ts";
import type { SavedView } from "./types.ts";

const LONGEST_NAME = 80;

export function Views({ api, place, setPlace }: { api: Api; place: Place; setPlace: (place: Place) => void }) {
  const { t } = useI18n();
  const [loaded, reload] = useLoad("views", (signal) => api.get<{ views: SavedView[] }>("/api/review/views", signal));
  const [naming, setNaming] = useState<SavedView | "new" | null>(null);
  const [removing, setRemoving] = useState<SavedView | null>(null);
  const views = loaded.data?.views ?? [];
  const open = views.find((view) => sameSearch(view.filters, place));
  const searches = Object.keys(searchOf(place)).length > 0;
  return (
    <div class="row views">
      <Popover label={t("views.label")} align="start" button={<><Icon name="queue" /><span class="clip views-name">{open ? oneLine(open.name, 60) : t("views.label")}</span><Icon name="down" /></>}>
        {(close) => (
          <>
            {!loaded.data && loaded.state === "loading" && <Loading label={t("loading")} lines={3} />}
            {!loaded.data && loaded.state === "error" && <Failed error={loaded.error} retry={reload} />}
            {loaded.data && views.length === 0 && <p class="sm muted">{t("views.none")}</p>}
            {views.length > 0 && (
              <ul class="view-list">
                {views.map((view) => (
                  <li key={view.id} class="row">
                    <button type="button" class={cx("view-open", view.id === open?.id && "on")} aria-current={view.id === open?.id ? "true" : undefined} onClick={() => { setPlace(withSearch(place, view.filters)); close(); }}>
                      <span class="clip"><bdi>{oneLine(view.name, LONGEST_NAME)}</bdi></span>
                      {(view.shared || !view.own) && <span class="xs muted clip">{view.own ? t("views.shared") : <Name name={view.by} />}</span>}
                    </button>
                    {view.own && <IconButton icon="gear" label={t("views.change", { name: oneLine(view.name, 40) })} onClick={() => { close(); setNaming(view); }} />}
                    {view.own && <IconButton icon="close" label={t("views.remove", { name: oneLine(view.name, 40) })} onClick={() => { close(); setRemoving(view); }} />}
                  </li>
                ))}
              </ul>
            )}
            <Button look="primary" disabled={!searches || open?.own} onClick={() => { close(); setNaming("new"); }}>{t("views.save")}</Button>
            {!searches && <p class="xs muted">{t("views.nothing_to_save")}</p>}
          </>
        )}
      </Popover>
      {naming && <ViewDialog api={api} place={place} view={naming === "new" ? null : naming} onClose={() => setNaming(null)} onDone={() => { setNaming(null); reload(); }} />}
      {removing && <RemoveDialog api={api} view={removing} onClose={() => setRemoving(null)} onDone={() => { setRemoving(null); reload(); }} />}
    </div>
  );
}

function ViewDialog({ api, place, view, onClose, onDone }: { api: Api; place: Place; view: SavedView | null; onClose: () => void; onDone: () => void }) {
  const { t, word } = useI18n();
  const [name, setName] = useState(view?.name ?? "");
  const [shared, setShared] = useState(view?.shared ?? false);
  const [renew, setRenew] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const filters = searchOf(place);
  const changed = view !== null && Object.keys(filters).length > 0 && !sameSearch(view.filters, place);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!name.trim() || busy) return;
    setBusy(true);
    setError(null);
    const body = { name: name.trim(), shared, ...(view === null || renew ? { filters } : {}) };
    api.post(view ? `/api/review/views/${view.id}` : "/api/review/views", body).then(onDone, (caught: unknown) => {
      setBusy(false);
      setError(asApiError(caught));
    });
  };
  return (
    <Dialog title={t(view ? "views.change_title" : "views.save")} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <label class="field"><span>{t("views.name")}</span><input value={name} maxLength={LONGEST_NAME} required onInput={(event) => setName(event.currentTarget.value)} /></label>
        <label class="check"><input type="checkbox" checked={shared} onChange={(event) => setShared(event.currentTarget.checked)} /><span>{t("views.share")}</span></label>
        {changed && <label class="check"><input type="checkbox" checked={renew} onChange={(event) => setRenew(event.currentTarget.checked)} /><span>{t("views.renew")}</span></label>}
        {error && <p class="form-error" role="alert">{word("error", error.code)}</p>}
        <div class="dialog-foot"><Button onClick={onClose}>{t("cancel")}</Button><Button look="primary" type="submit" busy={busy} disabled={!name.trim()}>{t("views.keep")}</Button></div>
      </form>
    </Dialog>
  );
}

function RemoveDialog({ api, view, onClose, onDone }: { api: Api; view: SavedView; onClose: () => void; onDone: () => void }) {
  const { t, word } = useI18n();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const remove = (): void => {
    setBusy(true);
    api.delete(`/api/review/views/${view.id}`).then(onDone, (caught: unknown) => {
      setBusy(false);
      setError(asApiError(caught));
    });
  };
  return (
    <Dialog title={t("views.remove_title")} onClose={onClose}>
      <p><b><bdi>{oneLine(view.name, LONGEST_NAME)}</bdi></b></p>
      {view.shared && <p class="sm muted">{t("views.remove_shared")}</p>}
      {error && <p class="form-error" role="alert">{word("error", error.code)}</p>}
      <div class="dialog-foot"><Button onClick={onClose}>{t("cancel")}</Button><Button look="danger" busy={busy} onClick={remove}>{t("views.remove_do")}</Button></div>
    </Dialog>
  );
}
