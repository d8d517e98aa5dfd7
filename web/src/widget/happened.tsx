/** A line between messages: what happened. */
import type { Ev } from "../protocol/gen.ts";
import { useChat } from "./context.ts";
import { systemLine } from "./lines.ts";

export function Happened({ ev }: { ev: Ev }) {
  const { said } = useChat();
  const line = systemLine(said, ev);
  const called = ev.kind === "escalated";
  return (
    <>
      {called && ev.from === "contact" && <p class="line">{said.t("human_sent")}</p>}
      {line && <p class={`line ${called ? "strong" : ""}`}>{line}</p>}
    </>
  );
}
