// Small parts that all screens share.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "./api.ts";
import { useLatest } from "./hooks.ts";
import { useI18n } from "./i18n.tsx";
import { Icon } from "./icons.tsx";
import { displayName, neutralise } from "./text.ts";

type Children = ComponentChildren;

/** Joins class names that are on. */
export function cx(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(" ");
}

/** The key for commands, as this computer's keyboard names it. */
export const COMMAND_KEY = /mac|iphone|ipad/i.test(globalThis.navigator?.platform ?? "") ? "⌘" : "Ctrl";

/** A single key. Hidden from screen readers: the control that it stands in announces its own shortcut. */
export function Kbd({ children }: { children: Children }) {
  return <kbd aria-hidden="true">{children}</kbd>;
}

interface ButtonProps extends Omit<JSX.IntrinsicElements["button"], "class" | "icon"> {
  look?: "plain" | "primary" | "ghost" | "danger";
  keys?: string;
  busy?: boolean;
  class?: string;
}

export function Button({ look = "plain", keys, busy = false, children, class: extra, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      class={cx("btn", look !== "plain" && look, extra)}
      aria-busy={busy || undefined}
      aria-keyshortcuts={keys?.toLowerCase()}
      disabled={(rest.disabled as boolean | undefined) || busy}
    >
      {children}
      {keys && <Kbd>{keys}</Kbd>}
    </button>
  );
}

export function IconButton({ label, icon, class: extra, ...rest }: Omit<ButtonProps, "look" | "keys" | "busy"> & { label: string; icon: Parameters<typeof Icon>[0]["name"] }) {
  return (
    <button type="button" {...rest} class={cx("icon-btn", extra)} aria-label={label} title={label}>
      <Icon name={icon} />
    </button>
  );
}

export const SHAPES: Readonly<Record<string, string>> = { high: "▲", elevated: "◆", low: "●" };
const TONES: Readonly<Record<string, string>> = { high: "high", elevated: "mid", low: "low" };

/** The risk as colour, shape and number. `word` adds the band's name. */
export function Band({ band, risk, word = false, interval }: {
  band?: string | null | undefined;
  risk?: number | null | undefined;
  word?: boolean;
  interval?: [number, number] | null;
}) {
  const i18n = useI18n();
  if (risk === null || risk === undefined) {
    return <span class="band none" title={i18n.t("risk.none")}>—<span class="hidden">{i18n.t("risk.none")}</span></span>;
  }
  const name = band ? i18n.word("band", band) : "";
  return (
    <span class={cx("band", "num", band && TONES[band])} title={i18n.t("risk.title", { band: name, risk: i18n.f.probability(risk) })}>
      {band && <span aria-hidden="true" class="shape">{SHAPES[band] ?? ""}</span>}
      {word ? name : <span class="hidden">{name} </span>}
      <span>{i18n.f.probability(risk)}</span>
      {interval && <span class="interval">{i18n.f.probability(interval[0])}–{i18n.f.probability(interval[1])}</span>}
    </span>
  );
}

/** Text of a stranger: safe to show, isolated in its direction, with a mark where something was hidden in it. */
export function Said({ text, class: extra }: { text: string; class?: string }) {
  const { t } = useI18n();
  const shown = neutralise(text);
  return (
    <span class={cx("said", extra)} dir="auto">
      {shown.text}
      {shown.hidden > 0 && <span class="hidden-mark" title={t("text.hidden_title")}>{t("text.hidden", { n: shown.hidden })}</span>}
    </span>
  );
}

export function Name({ name, fallback }: { name?: string | null | undefined; fallback?: string }) {
  return <bdi class="name">{displayName(name, fallback)}</bdi>;
}

/** What stands where there is nothing yet: what it is for, and what to do. */
export function Empty({ title, children, icon }: { title: string; children?: Children; icon?: Parameters<typeof Icon>[0]["name"] }) {
  return (
    <div class="empty">
      {icon && <span class="empty-icon"><Icon name={icon} /></span>}
      <p class="b">{title}</p>
      {children && <div class="muted sm">{children}</div>}
    </div>
  );
}

export function Loading({ label, lines = 4 }: { label: string; lines?: number }) {
  return (
    <div class="loading" role="status">
      <span class="hidden">{label}</span>
      {Array.from({ length: lines }, (_, i) => <span key={i} class={cx("bone", `w${i % 3}`)} />)}
    </div>
  );
}

export function Failed({ error, retry }: { error: ApiError; retry?: () => void }) {
  const { t, word } = useI18n();
  return (
    <div class="failed" role="alert">
      <p class="b">{t("error.title")}</p>
      <p class="sm muted">{word("error", error.code)}</p>
      {retry && <Button onClick={retry}>{t("error.retry")}</Button>}
    </div>
  );
}

export function Section({ title, aside, children, class: extra }: { title: string; aside?: Children; children: Children; class?: string }) {
  const id = useId();
  return (
    <section class={cx("card", extra)} aria-labelledby={id}>
      <div class="row card-head"><h2 id={id}>{title}</h2><span class="sp" />{aside}</div>
      {children}
    </section>
  );
}

/** A modal dialog on the native element: focus is kept inside, Escape closes it, focus goes back to where it was. */
export function Dialog({ title, onClose, children, class: extra }: { title: string; onClose: () => void; children: Children; class?: string }) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  const { t } = useI18n();
  const close = useLatest(onClose);
  // Before the next key: what is typed right after the key that opens it belongs into it.
  useLayoutEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) {
      dialog.showModal();
      dialog.querySelector<HTMLElement>("input, textarea, select")?.focus();
    }
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={cx("dialog", extra)}
      aria-labelledby={id}
      onCancel={(event) => { event.preventDefault(); close.current(); }}
      onMouseDown={(event) => event.target === ref.current && close.current()}
    >
      <div class="dialog-in">
        <div class="row dialog-head">
          <h2 id={id}>{title}</h2>
          <span class="sp" />
          <IconButton label={t("close")} icon="close" onClick={() => close.current()} />
        </div>
        {children}
      </div>
    </dialog>
  );
}

/** A button that opens a small panel; Escape and a press elsewhere close it. */
export function Popover({ label, button, children, align = "end" }: {
  label: string;
  button: Children;
  children: (close: () => void) => Children;
  align?: "start" | "end";
}) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) return;
    const away = (event: Event): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    document.addEventListener("focusin", away);
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("focusin", away);
    };
  }, [open]);
  const close = (): void => {
    setOpen(false);
    trigger.current?.focus();
  };
  return (
    <div
      class="popover"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        event.stopPropagation();
        close();
      }}
    >
      <button type="button" ref={trigger} class="btn ghost popover-btn" aria-haspopup="true" aria-expanded={open} aria-controls={open ? id : undefined} aria-label={label} onClick={() => setOpen(!open)}>
        {button}
      </button>
      {open && <div id={id} class={cx("popover-in", align)} role="group" aria-label={label}>{children(close)}</div>}
    </div>
  );
}

/** One of a few values, as a row of buttons with radio semantics. */
export function Choice<V extends string>({ label, value, options, onChange, class: extra }: {
  label: string;
  value: V | null;
  options: readonly { value: V; label: string }[];
  onChange: (value: V) => void;
  class?: string;
}) {
  const name = useId();
  return (
    <fieldset class={cx("choice", extra)}>
      <legend>{label}</legend>
      <div class="choice-row">
        {options.map((option) => (
          <label key={option.value} class={cx("choice-item", value === option.value && "on")}>
            <input type="radio" name={name} value={option.value} checked={value === option.value} onChange={() => onChange(option.value)} />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

export function Switch({ label, on, onChange }: { label: string; on: boolean; onChange: (on: boolean) => void }) {
  return (
    <label class="switch">
      <span>{label}</span>
      <input type="checkbox" role="switch" checked={on} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span class="switch-track" aria-hidden="true" />
    </label>
  );
}
