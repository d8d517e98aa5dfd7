// A move of the models, confirmed: what it will do, why it is done, and nothing by accident.
import { useState } from "preact/hooks";
import { asApiError, type Api, type ApiError } from "../ui/api.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Button, Choice, Dialog } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";

export interface Wish {
  what: "promote" | "shadow" | "canary" | "withdraw" | "rollback";
  /** The model that it is about. */
  version: string;
  /** The share of customers that the challenger serves now. */
  share: number;
}

const SHARES = ["0.05", "0.1", "0.25", "0.5"] as const;
const SHORTEST_REASON = 3;

export function MoveDialog({ api, wish, champion, onClose, onDone }: { api: Api; wish: Wish; champion: string; onClose: () => void; onDone: () => void }) {
  const { t, f, word } = useI18n();
  const [reason, setReason] = useState("");
  const [share, setShare] = useState<string>(SHARES.find((one) => Number(one) > wish.share) ?? SHARES[0]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const enough = reason.trim().length >= SHORTEST_REASON;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!enough || busy) return;
    setBusy(true);
    setError(null);
    api.post("/api/review/models/moves", {
      what: wish.what,
      champion,
      ...(wish.what === "promote" || wish.what === "shadow" || wish.what === "canary" ? { version: wish.version } : {}),
      ...(wish.what === "canary" ? { share: Number(share) } : {}),
      reason: reason.trim(),
    }).then(onDone, (caught: unknown) => {
      setBusy(false);
      setError(asApiError(caught));
    });
  };
  const danger = wish.what === "rollback" || wish.what === "promote";
  return (
    <Dialog title={word("move_title", wish.what)} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <p><b class="model-name"><bdi>{oneLine(wish.version, 80)}</bdi></b></p>
        <p class="sm">{word("move_means", wish.what)}</p>
        {wish.what === "canary" && <Choice label={t("models.share")} value={share} options={SHARES.map((value) => ({ value: value as string, label: f.percent(Number(value)) }))} onChange={setShare} class="bare" />}
        <label class="field"><span>{t("models.reason")}</span><textarea rows={3} maxLength={500} required value={reason} placeholder={t("models.reason_hint")} onInput={(event) => setReason(event.currentTarget.value)} /></label>
        {error && <p class="form-error" role="alert">{word("error", error.code)}</p>}
        <div class="dialog-foot">
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button look={danger ? "danger" : "primary"} type="submit" busy={busy} disabled={!enough}>{word("move_do", wish.what)}</Button>
        </div>
      </form>
    </Dialog>
  );
}
