/** Wording of what happened, for the lines between messages and for the transcript. */
import { agentOf, waitOf } from "../core/chat/events.ts";
import type { Ev } from "../protocol/gen.ts";
import { cleanName } from "./safe.ts";
import { useChat } from "./context.ts";
import type { Said } from "./words.ts";

/** "A person is coming · you are next · about 1 minute", as far as it is known; outside opening hours, when somebody is there again. */
export function comingLine(said: Said, ev: Ev): string {
  const opens = ev.data.opens_at;
  if (typeof opens === "number") return said.t("callback_opens", { time: said.day(opens, Date.now()) });
  const { position, estimateSeconds } = waitOf(ev);
  const minutes = estimateSeconds === null ? 0 : Math.max(1, Math.round(estimateSeconds / 60));
  const parts = [said.t("coming")];
  if (position !== null) parts.push(position <= 1 ? said.t("next") : said.t("place", { n: position }));
  if (minutes) parts.push(minutes === 1 ? said.t("about_minute") : said.t("about_minutes", { n: minutes }));
  return parts.join(" · ");
}

/** What the header says while a person is there, comes, or does not. */
export function personLine(): string {
  const { state, said } = useChat();
  const last = (kind: string) => state.events.findLast((ev) => ev.kind === kind);
  const [joined, called, nobody] = [last("joined"), last("escalated"), last("waiting")];
  if (state.mode === "agent") return joined ? said.t("joined_at", { time: said.time(joined.at) }) : "";
  if (nobody && nobody.seq > (called?.seq ?? 0)) return said.t("nobody");
  return called ? comingLine(said, called) : said.t("coming");
}

/** What a system event says to the contact, or null for one that says nothing. */
export function systemLine(said: Said, ev: Ev): string | null {
  const name = cleanName(agentOf(ev), said.t("a_person"));
  switch (ev.kind) {
    case "escalated":
      return comingLine(said, ev);
    case "waiting":
      return said.t("waiting");
    case "callback":
      return said.t("callback_kept");
    case "joined":
      return said.t("joined", { name });
    case "left":
      return said.t("left", { name });
    case "returned":
      return said.t("returned", { name });
    case "resolved":
      return said.t("closed");
    default:
      return null;
  }
}
