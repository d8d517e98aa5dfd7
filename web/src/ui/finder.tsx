// A dialog to find something in: a field, and below it what fits, chosen with the arrow keys or a click.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { Dialog, cx } from "./parts.tsx";

export interface Choice {
  key: string;
  body: ComponentChildren;
  choose: () => void;
}

interface FinderProps {
  title: string;
  label: string;
  typed: string;
  onType: (typed: string) => void;
  choices: readonly Choice[];
  /** While false, what is listed belongs to words typed before: Enter chooses nothing. */
  ready?: boolean;
  /** What is read out and stands below the list. */
  status: string;
  onClose: () => void;
  class?: string;
  children?: ComponentChildren;
}

export function Finder({ title, label, typed, onType, choices, ready = true, status, onClose, class: extra, children }: FinderProps) {
  const [picked, setPicked] = useState(0);
  const id = useId();
  const at = Math.min(picked, Math.max(0, choices.length - 1));
  useEffect(() => {
    document.getElementById(`${id}-${at}`)?.scrollIntoView({ block: "nearest" });
  }, [at]);
  const choose = (choice: Choice | undefined): void => {
    if (!choice) return;
    onClose();
    choice.choose();
  };
  return (
    <Dialog title={title} onClose={onClose} class={cx("finder", extra)}>
      <input
        type="text"
        inputMode="search"
        role="combobox"
        aria-expanded={choices.length > 0}
        aria-controls={`${id}-hits`}
        aria-activedescendant={choices.length ? `${id}-${at}` : undefined}
        aria-label={label}
        placeholder={label}
        maxLength={200}
        value={typed}
        onInput={(event) => { onType(event.currentTarget.value); setPicked(0); }}
        onKeyDown={(event) => {
          if (event.isComposing) return;
          if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            setPicked((at + (event.key === "ArrowDown" ? 1 : choices.length - 1)) % Math.max(1, choices.length));
          } else if (event.key === "Enter") {
            event.preventDefault();
            if (ready) choose(choices[at]);
          }
        }}
      />
      <ul id={`${id}-hits`} role="listbox" aria-label={title} class="hits">
        {choices.map((choice, i) => (
          <li key={choice.key} id={`${id}-${i}`} role="option" aria-selected={i === at} class={cx("hit", i === at && "on")} onClick={() => choose(choice)}>{choice.body}</li>
        ))}
      </ul>
      <p class="sm muted" role="status">{status}</p>
      {children}
    </Dialog>
  );
}
