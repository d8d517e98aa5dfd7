/** Small signs that most chats never show: more above, something newer below, how much room a long message has left. */
import { useChat } from "./context.ts";

export function Earlier() {
  const { said, dispatch } = useChat();
  return (
    <button type="button" class="line link" onClick={() => dispatch({ on: "older" })}>
      {said.t("earlier")}
    </button>
  );
}

export function Left({ count }: { count: number }) {
  const { said } = useChat();
  return (
    <span class={`left ${count < 0 ? "bad" : ""}`} role="status">
      {said.t("left_over", { n: count })}
    </span>
  );
}

export function Newest({ show }: { show: () => void }) {
  const { said } = useChat();
  return (
    <button type="button" class="newest" onClick={show}>
      ↓ {said.t("newest")}
    </button>
  );
}
