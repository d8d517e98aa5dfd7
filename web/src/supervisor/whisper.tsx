// Beside a conversation that goes on: a word to the colleague who has it, which the customer never sees, and the way into it.
import { useState } from "preact/hooks";
import { asApiError, type Api, type ApiError } from "../ui/api.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Button, Dialog } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import type { Transcript } from "./types.ts";

const LONGEST = 4000;

export function Whisper({ api, data, reload }: { api: Api; data: Transcript; reload: () => void }) {
  const { t, word } = useI18n();
  const [text, setText] = useState("");
  const [cmid, setCmid] = useState(() => crypto.randomUUID());
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const [entering, setEntering] = useState(false);
  const held = data.conversation.holder.startsWith("agent:");
  const holder = data.speakers.find((person) => `agent:${person.id}` === data.conversation.holder)?.name;
  const label = held && holder ? t("whisper.to", { name: oneLine(holder, 40) }) : t("whisper.to_all");
  const send = (event: Event): void => {
    event.preventDefault();
    if (!text.trim() || busy) return;
    setBusy(true);
    setError(null);
    // The same note is sent again under the same id, so that a lost answer doubles nothing.
    api.post(`/api/review/conversations/${encodeURIComponent(data.conversation.id)}/notes`, { cmid, body: text.trim() }).then(
      () => {
        setText("");
        setCmid(crypto.randomUUID());
        reload();
      },
      (caught: unknown) => setError(asApiError(caught)),
    ).finally(() => setBusy(false));
  };
  return (
    <form class="whisper" onSubmit={send} aria-label={t("whisper.label")}>
      <label class="sp"><span class="hidden">{label}</span>
        <textarea rows={1} maxLength={LONGEST} placeholder={label} value={text} onInput={(event) => setText(event.currentTarget.value)} onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
        }} />
      </label>
      <Button type="submit" busy={busy} disabled={!text.trim()}>{t("whisper.send")}</Button>
      <Button look="danger" onClick={() => setEntering(true)}>{t("whisper.enter")}</Button>
      {error && <p class="form-error" role="alert">{word("error", error.code)}</p>}
      {entering && <EnterDialog api={api} data={data} held={held} onClose={() => setEntering(false)} />}
    </form>
  );
}

function EnterDialog({ api, data, held, onClose }: { api: Api; data: Transcript; held: boolean; onClose: () => void }) {
  const { t, word } = useI18n();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const { id } = data.conversation;
  const enter = (): void => {
    setBusy(true);
    api.post(`/api/review/conversations/${encodeURIComponent(id)}/takeover`).then(
      () => location.assign(`/console?conv=${id}`),
      (caught: unknown) => {
        setBusy(false);
        setError(asApiError(caught));
      },
    );
  };
  return (
    <Dialog title={t("whisper.enter_title")} onClose={onClose}>
      <p class="sm">{t(held ? "whisper.enter_from_agent" : "whisper.enter_from_bot")}</p>
      {error && <p class="form-error" role="alert">{word("error", error.code)}</p>}
      <div class="dialog-foot"><Button onClick={onClose}>{t("cancel")}</Button><Button look="danger" busy={busy} onClick={enter}>{t("whisper.enter")}</Button></div>
    </Dialog>
  );
}
