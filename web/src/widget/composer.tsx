/** Where the contact writes; Enter sends, Shift+Enter breaks the line, and an input method's Enter is left alone. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useChat } from "./context.ts";
import { later } from "./later.ts";

/** Code points that a message may have, and from where on the rest is counted down. */
const MOST = 4000;
const COUNTED = 3600;

const FIELD = "field";

/** Puts the cursor where the contact writes. */
export const focusField = (): void => document.getElementById(FIELD)?.focus();

export function Composer() {
  const { said, dispatch, draft, setDraft, say } = useChat();
  const more = later();
  const field = useRef<HTMLTextAreaElement>(null);
  // Each key draws the field alone.
  const [, tick] = useState(0);
  const change = (text: string) => {
    setDraft(text);
    tick((n) => n + 1);
  };
  const length = [...draft].length;
  const ready = draft.trim() !== "" && length <= MOST;

  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }, [draft]);

  const send = () => {
    if (!ready) return;
    say(draft);
    change("");
    focusField();
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
        id={FIELD}
        ref={field}
        rows={1}
        value={draft}
        placeholder={said.t("write")}
        aria-label={said.t("message")}
        dir="auto"
        enterkeyhint="send"
        onInput={(event) => {
          change(event.currentTarget.value);
          dispatch({ on: "write", writing: event.currentTarget.value !== "" });
        }}
        onKeyDown={(event) => {
          // keyCode 229: the input method has the key, also where isComposing is late (Safari).
          if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
          event.preventDefault();
          send();
        }}
      />
      {more && length > COUNTED && <more.Left count={MOST - length} />}
      <button type="submit" class="send" aria-label={said.t("send")} disabled={!ready}>
        ↑
      </button>
    </form>
  );
}
