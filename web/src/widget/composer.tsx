/** Where the contact writes; Enter sends, Shift+Enter breaks the line, and an input method's Enter is left alone. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useChat } from "./context.ts";
import { Icon } from "./icons.tsx";

/** Code points that a message may have, and from where on the rest is counted down. */
const MOST = 4000;
const COUNTED = 3600;

interface Props {
  draft: string;
  setDraft: (text: string) => void;
  /** Counts up when the field should have the focus. */
  focus: number;
  onSay: (text: string) => void;
}

export function Composer({ draft, setDraft, focus, onSay }: Props) {
  const { said, dispatch } = useChat();
  const field = useRef<HTMLTextAreaElement>(null);
  const [composing, setComposing] = useState(false);
  const length = [...draft].length;
  const ready = draft.trim() !== "" && length <= MOST;

  useEffect(() => {
    if (focus) field.current?.focus();
  }, [focus]);

  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }, [draft, focus]);

  const send = () => {
    if (!ready) return;
    onSay(draft);
    setDraft("");
    field.current?.focus();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        rows={1}
        value={draft}
        placeholder={said.t("write")}
        aria-label={said.t("message")}
        dir="auto"
        enterkeyhint="send"
        onCompositionStart={() => setComposing(true)}
        onCompositionEnd={() => setComposing(false)}
        onInput={(event) => {
          setDraft(event.currentTarget.value);
          dispatch({ on: "write", writing: event.currentTarget.value !== "" });
        }}
        onKeyDown={(event) => {
          // keyCode 229: the input method has the key, also where isComposing is late (Safari).
          if (event.key !== "Enter" || event.shiftKey || composing || event.isComposing || event.keyCode === 229) return;
          event.preventDefault();
          send();
        }}
      />
      {length > COUNTED && (
        <span class={`left ${length > MOST ? "bad" : ""}`} role="status">
          {said.t("left_over", { n: MOST - length })}
        </span>
      )}
      <button type="submit" class="send" aria-label={said.t("send")} disabled={!ready}>
        <Icon name="send" />
      </button>
    </form>
  );
}
