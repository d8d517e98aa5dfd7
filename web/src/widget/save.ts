/** The conversation as a text file. */
import { transcript } from "../core/chat/timeline.ts";
import { useChat } from "./context.ts";
import { systemLine } from "./lines.ts";
import { shown } from "./safe.ts";

export function saveTranscript(): void {
  const { said, state } = useChat();
  const text = transcript(state.events, {
    contact: said.t("you"),
    bot: said.t("bot_short"),
    agent: said.t("a_person"),
    system: (ev) => systemLine(said, ev),
    time: (at) => said.day(at, Date.now()),
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([shown(text)], { type: "text/plain" }));
  link.download = `chat-${new Date().toISOString().slice(0, 10)}.txt`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
