// Resolve with a disposition, transfer, snooze, and the sheet of keys.
import type { ComponentChildren } from "preact";
import { useId, useMemo, useState } from "preact/hooks";
import { useI18n } from "../ui/i18n.tsx";
import { Button, COMMAND_KEY, Choice, Dialog, Name, cx } from "../ui/parts.tsx";
import { displayName } from "../ui/text.ts";
import { useConsole, useDesk } from "./context.ts";
import { snoozeMoments } from "./moments.ts";
import { control, type Thread } from "./state.ts";

const DISPOSITIONS = ["saved", "solved", "refunded", "lost", "follow_up", "spam"];
const LONGEST_COMMENT = 2000;

export function ResolveDialog({ thread, onClose }: { thread: Thread; onClose: () => void }) {
  const { t, word } = useI18n();
  const { desk } = useConsole();
  const epoch = useDesk((state) => control(state, thread.conv).assignEpoch);
  const [disposition, setDisposition] = useState<string | null>(null);
  const [comment, setComment] = useState("");
  const known = thread.bundle?.dispositions.length ? thread.bundle.dispositions : DISPOSITIONS;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!disposition) return;
    desk.resolve(thread.conv, epoch, disposition, comment.trim());
    onClose();
  };
  return (
    <Dialog title={t("resolve.title", { name: displayName(thread.bundle?.contact.name, t("who.guest")) })} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <Choice label={t("resolve.how")} value={disposition} options={known.map((value) => ({ value, label: word("disposition", value) }))} onChange={setDisposition} class="grid-3" />
        <p class="sm muted" aria-live="polite">{disposition ? word("disposition_means", disposition) : t("resolve.hint")}</p>
        <label class="field"><span>{t("resolve.comment")}</span><textarea rows={3} maxLength={LONGEST_COMMENT} value={comment} onInput={(event) => setComment(event.currentTarget.value)} /></label>
        <div class="dialog-foot"><Button onClick={onClose}>{t("cancel")}</Button><Button look="primary" type="submit" disabled={!disposition}>{t("do.resolve")}</Button></div>
      </form>
    </Dialog>
  );
}

/** Passing a conversation on, with a word to the colleague. */
export function TransferDialog({ thread, onClose }: { thread: Thread; onClose: () => void }) {
  const { t } = useI18n();
  const { desk } = useConsole();
  const team = useDesk((state) => state.desk?.team) ?? [];
  const epoch = useDesk((state) => control(state, thread.conv).assignEpoch);
  const [to, setTo] = useState<string>("");
  const [note, setNote] = useState("");
  const name = useId();
  const submit = (event: Event): void => {
    event.preventDefault();
    desk.transfer(thread.conv, epoch, to || null, note.trim());
    onClose();
  };
  const choice = (id: string, label: ComponentChildren) => (
    <label key={id} class={cx("pick-row", to === id && "on")}>
      <input type="radio" name={name} value={id} checked={to === id} onChange={() => setTo(id)} />
      {label}
    </label>
  );
  return (
    <Dialog title={t("transfer.title", { name: displayName(thread.bundle?.contact.name, t("who.guest")) })} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <fieldset>
          <legend>{t("transfer.to")}</legend>
          <div class="pick-rows">
            {choice("", <span>{t("transfer.anyone")}</span>)}
            {team.map((one) => choice(one.id, (
              <>
                <span class={cx("dot", one.presence)} aria-hidden="true" />
                <span class="clip"><Name name={one.name} /></span>
                <span class="xs muted num">{[t(`presence.${one.presence}`), t("presence.load", { load: one.load, capacity: one.capacity }), one.languages.join(", ")].filter(Boolean).join(" · ")}</span>
              </>
            )))}
          </div>
        </fieldset>
        <label class="field"><span>{t("transfer.note")}</span><textarea rows={3} maxLength={LONGEST_COMMENT} value={note} onInput={(event) => setNote(event.currentTarget.value)} /></label>
        <div class="dialog-foot"><Button onClick={onClose}>{t("cancel")}</Button><Button look="primary" type="submit">{t("do.transfer")}</Button></div>
      </form>
    </Dialog>
  );
}

/** Setting a conversation aside until a moment, or until the customer writes. */
export function SnoozeDialog({ thread, onClose }: { thread: Thread; onClose: () => void }) {
  const { t, f } = useI18n();
  const { desk } = useConsole();
  const epoch = useDesk((state) => control(state, thread.conv).assignEpoch);
  const [now] = useState(() => Date.now());
  const [own, setOwn] = useState("");
  const moments = useMemo(() => snoozeMoments(now), [now]);
  const put = (until: number): void => {
    desk.snooze(thread.conv, epoch, until);
    onClose();
  };
  const chosen = own ? new Date(own).getTime() : NaN;
  return (
    <Dialog title={t("snooze.title", { name: displayName(thread.bundle?.contact.name, t("who.guest")) })} onClose={onClose}>
      <p class="sm muted">{t("snooze.hint")}</p>
      <div class="snoozes">
        {moments.map(([key, until]) => <Button key={key} onClick={() => put(until)}>{t(`snooze.${key}`)}<span class="muted num">{f.moment(until, now)}</span></Button>)}
      </div>
      <form class="row snooze-own" onSubmit={(event) => { event.preventDefault(); if (chosen > now) put(chosen); }}>
        <label class="field"><span>{t("snooze.own")}</span><input type="datetime-local" value={own} onInput={(event) => setOwn(event.currentTarget.value)} /></label>
        <Button look="primary" type="submit" disabled={!(chosen > now)}>{t("do.snooze")}</Button>
      </form>
    </Dialog>
  );
}

const KEYS: readonly (readonly [string, readonly string[]])[] = [
  ["keys.accept", ["A"]], ["keys.decline", ["D"]], ["keys.next", ["J", "K"]], ["keys.reply", ["R"]], ["keys.note", ["N"]],
  ["keys.insert", ["1", "…", "9"]], ["keys.insert_writing", ["Alt", "1", "…", "9"]], ["keys.canned", ["/"]], ["keys.send", ["Enter"]],
  ["keys.newline", ["Shift", "Enter"]], ["keys.resolve", ["E"]], ["keys.transfer", ["P"]], ["keys.snooze", ["Z"]], ["keys.return", ["B"]], ["keys.take_over", ["T"]],
  ["keys.search", [COMMAND_KEY, "K"]], ["keys.mentions", ["M"]], ["keys.mention", ["@"]], ["keys.leave", ["Esc"]], ["keys.sheet", ["?"]],
];

export function KeysDialog({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  return (
    <Dialog title={t("keys.title")} onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([label, keys]) => (
          <div key={label}><dt>{t(label)}</dt><dd>{keys.map((key, i) => (key === "…" ? <span key={i}>…</span> : <kbd key={i}>{key}</kbd>))}</dd></div>
        ))}
      </dl>
      <p class="sm muted">{t("keys.off")}</p>
    </Dialog>
  );
}
