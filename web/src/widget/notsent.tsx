/** A message that did not go out, and what the contact can do about it. */
import type { Outgoing } from "../core/chat/state.ts";
import { useChat } from "./context.ts";

export function NotSent({ item: { cmid, error } }: { item: Outgoing }) {
  const { said, dispatch } = useChat();
  return (
    <span class="meta bad" role="alert">
      {said.t(error === "too_long" ? "failed_long" : "failed")} ·{" "}
      <button type="button" onClick={() => dispatch({ on: "retry", cmid })}>
        {said.t("retry")}
      </button>{" "}
      ·{" "}
      <button type="button" onClick={() => dispatch({ on: "discard", cmid })}>
        {said.t("discard")}
      </button>
    </span>
  );
}
