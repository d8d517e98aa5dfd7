// Where the agent writes. Only the holder can send; notes are for everybody who may see the conversation.
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { useI18n } from "../ui/i18n.tsx";
import { Icon } from "../ui/icons.tsx";
import { Button, Kbd, cx } from "../ui/parts.tsx";
import { displayName, oneLine } from "../ui/text.ts";
import { useConsole, useDesk } from "./context.ts";
import { askedFor, colleagues, complete, named } from "./mention.ts";
import { insert, matching, provenance, type Suggested } from "./suggest.ts";
import type { Draft, Thread } from "./state.ts";

/** Code points of a body that the server takes. */
const LONGEST = 4000;
const NEARLY = 3600;
const MOST_COLLEAGUES = 8;

/** What is offered while writing: a reply behind a slash, a colleague behind an @. */
interface Option {
  id: string;
  title: string;
  text: string;
  key: string;
  choose: () => void;
}

export function Composer({ thread, holds, holder, items }: { thread: Thread; holds: boolean; holder: string | null; items: readonly Suggested[] }) {
  const { t } = useI18n();
  const { desk, store } = useConsole();
  const area = useRef<HTMLTextAreaElement>(null);
  const listId = useId();
  const [picked, setPicked] = useState(0);
  const [closed, setClosed] = useState(false);
  const { conv, draft } = thread;
  const mode = holds ? draft.mode : "note";
  const ended = thread.bundle?.conversation.status === "resolved";
  const length = [...draft.text].length;
  const tooLong = length > LONGEST;
  const team = useDesk((state) => state.desk?.team) ?? [];
  const [cursor, setCursor] = useState(0);
  const asked = mode === "note" ? askedFor(draft.text, cursor) : null;
  const options = useMemo<readonly Option[]>(() => {
    if (mode === "reply" && draft.text.startsWith("/")) {
      return matching(items, draft.text).map((item) => ({ id: item.id, title: item.title, text: item.text, key: item.key, choose: () => choose(item) }));
    }
    return (asked ? colleagues(team, asked.typed) : []).slice(0, MOST_COLLEAGUES).map((one) => ({
      id: one.id, title: one.name, text: t(`presence.${one.presence}`), key: "", choose: () => mention(one.name),
    }));
  }, [items, mode, draft, asked?.at, asked?.typed, team]);
  const open = options.length > 0 && !closed;
  const pick = Math.min(picked, options.length - 1);

  const set = (change: Partial<Draft>): void => store.dispatch({ do: "draft", conv, draft: { ...draft, mode, ...change } });
  const choose = (item: Suggested): void => {
    store.dispatch({ do: "draft", conv, draft: insert(draft, item) });
    area.current?.focus();
  };
  const mention = (name: string): void => {
    if (!asked) return;
    const next = complete(draft.text, cursor, asked.at, name);
    set({ text: next.text });
    setCursor(next.cursor);
    requestAnimationFrame(() => area.current?.setSelectionRange(next.cursor, next.cursor));
  };
  const send = (): void => {
    const body = draft.text.trim();
    if (!body || tooLong || (mode === "reply" && !holds)) return;
    if (mode === "note") desk.note(conv, body, named(body, team));
    else desk.say(conv, body, provenance(draft, body));
  };
  useEffect(() => {
    const el = area.current;
    if (!el) return;
    el.style.height = "auto";
    el.style.height = `${Math.min(el.scrollHeight + 2, 240)}px`;
  }, [draft.text, conv]);
  useEffect(() => setPicked(0), [draft.text]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return; // an input method is choosing characters: Enter is its own
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      setPicked((pick + (event.key === "ArrowDown" ? 1 : options.length - 1)) % options.length);
    } else if (open && (event.key === "Enter" || event.key === "Tab") && !event.shiftKey) {
      event.preventDefault();
      options[pick]!.choose();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      if (open) setClosed(true);
      else area.current?.blur();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.altKey && /^Digit[1-9]$/.test(event.code)) {
      const item = items.find((one) => one.key === event.code.slice(5));
      if (item && holds) {
        event.preventDefault();
        choose(item);
      }
    }
  };

  const name = displayName(thread.bundle?.contact.name, t("who.guest"));
  const label = mode === "note" ? t("composer.note_label") : t("composer.reply_label", { name });
  const watchers = thread.watchers.filter((who) => who !== store.get().me?.name);
  return (
    <div class={cx("compose", mode === "note" && "is-note")}>
      {open && (
        <ul class="canned" id={listId} role="listbox" aria-label={t(asked ? "composer.colleagues" : "composer.canned")}>
          {options.map((item, i) => (
            <li key={item.id} id={`${listId}-${i}`} role="option" aria-selected={i === pick} class={cx("hit", i === pick && "on")}
              onMouseDown={(event) => { event.preventDefault(); item.choose(); }}>
              <span class="row"><b class="sm clip"><bdi>{oneLine(item.title, 90)}</bdi></b><span class="sp" />{item.key && <Kbd>{item.key}</Kbd>}</span>
              <span class="sm muted clip"><bdi>{oneLine(item.text, 140)}</bdi></span>
            </li>
          ))}
        </ul>
      )}
      <div class="box">
        <textarea
          id="composer"
          ref={area}
          rows={2}
          dir="auto"
          value={draft.text}
          placeholder={mode === "note" ? t("composer.note_hint") : t("composer.reply_hint", { name })}
          aria-label={label}
          aria-invalid={tooLong || undefined}
          {...(open ? { "aria-controls": listId, "aria-activedescendant": `${listId}-${pick}` } : {})}
          aria-autocomplete="list"
          onInput={(event) => {
            setClosed(false);
            set({ text: event.currentTarget.value });
            setCursor(event.currentTarget.selectionStart);
            if (mode === "reply" && !event.currentTarget.value.startsWith("/")) desk.typing(conv);
          }}
          onKeyDown={onKeyDown}
          onKeyUp={(event) => setCursor(event.currentTarget.selectionStart)}
          onClick={(event) => setCursor(event.currentTarget.selectionStart)}
        />
        <div class="row wrap">
          <div class="modes" role="group" aria-label={t("composer.mode")}>
            <button type="button" class="mode" aria-pressed={mode === "reply"} disabled={!holds} onClick={() => { set({ mode: "reply" }); area.current?.focus(); }}>{t("composer.reply")}</button>
            <button type="button" class="mode" aria-pressed={mode === "note"} aria-keyshortcuts="n" onClick={() => { set({ mode: "note" }); area.current?.focus(); }}>
              <Icon name="note" />{t("composer.note")}
            </button>
          </div>
          <span class="sp" />
          {length > NEARLY && <span class={cx("xs num", tooLong ? "form-error" : "muted")} role="status">{t("composer.length", { n: length, most: LONGEST })}</span>}
          <span class="xs muted clip who-may">
            {holds ? t("composer.only_you") : ended ? t("composer.ended") : holder ? t("composer.held_by", { name: holder }) : t("composer.not_held")}
            {watchers.length > 0 && <> · <Watchers names={watchers} /></>}
          </span>
          <Button look="primary" onClick={send} disabled={!draft.text.trim() || tooLong}>
            {mode === "note" ? t("composer.save_note") : t("composer.send")}<Icon name="send" />
          </Button>
        </div>
      </div>
    </div>
  );
}

function Watchers({ names }: { names: readonly string[] }) {
  const { t } = useI18n();
  const shown = names.slice(0, 2).map((name) => displayName(name)).join(", ");
  const text = names.length > 2 ? `${shown} +${names.length - 2}` : shown;
  return <span><bdi>{t("composer.watching", { names: text })}</bdi></span>;
}
