// What an event of a conversation says, as messages and as lines of the system.
import type { Ev } from "../protocol/gen.ts";
import { useI18n, type I18n } from "./i18n.tsx";
import { Said } from "./parts.tsx";
import { oneLine, ownImage } from "./text.ts";

/** Kinds that somebody said; all others are lines of the system. */
export const SPOKEN: ReadonlySet<string> = new Set(["message", "products", "offer"]);

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);
const record = (value: unknown): Record<string, unknown> => (typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {});

/** One line about an event that nobody said. */
export function lineOf(i18n: I18n, ev: Ev): string {
  const { data } = ev;
  const agent = oneLine(text(data["agent"]) || ev.name || i18n.t("who.agent"), 60);
  switch (ev.kind) {
    case "escalated":
      return ev.from === "contact"
        ? i18n.t("event.escalated_asked")
        : i18n.t("event.escalated", { reason: i18n.word("task_reason", text(data["reason"]) || "agent") });
    case "left":
      return i18n.t(data["transferred"] === true ? "event.transferred" : "event.left", { agent });
    case "offer_answer":
      return i18n.t(data["accepted"] === true ? "event.offer_accepted" : "event.offer_declined");
    case "resolved": {
      const disposition = text(data["disposition"]);
      return disposition
        ? i18n.t("event.resolved_as", { disposition: i18n.word("disposition", disposition) })
        : i18n.t("event.resolved");
    }
    case "csat": {
      const comment = text(data["comment"]);
      const line = i18n.t("event.csat", { score: number(data["score"]) ?? "?" });
      return comment ? `${line} · “${oneLine(comment)}”` : line;
    }
    default:
      return i18n.word("event", ev.kind, { agent });
  }
}

/** The script that a bot's message came from, if it says so. */
export function scriptOf(ev: Ev): string | null {
  const script = ev.data["script"];
  if (typeof script === "string") return oneLine(script, 80);
  return typeof record(script)["id"] === "string" ? oneLine(record(script)["id"] as string, 80) : null;
}

export function offerInWords(i18n: I18n, kind: string, amount: number, currency: string): string {
  const key = `offer.${kind}`;
  return i18n.known(key)
    ? i18n.t(key, { amount: kind === "percent" ? i18n.f.percent(amount / 100) : i18n.f.money(amount, currency) })
    : i18n.word("offer", kind);
}

export function Picture({ image, size = 44 }: { image: string | null | undefined; size?: number }) {
  const own = ownImage(image);
  return own ? <img class="pic" src={own} alt="" width={size} height={size} loading="lazy" /> : <span class="pic" aria-hidden="true" />;
}

/** The body of a spoken event, with the products or the offer that it carries. */
export function Spoken({ ev }: { ev: Ev }) {
  const i18n = useI18n();
  const products = Array.isArray(ev.data["products"]) ? ev.data["products"].map(record) : [];
  const offer = ev.kind === "offer" ? record(ev.data["offer"]) : null;
  return (
    <>
      {ev.body && <Said text={ev.body} />}
      {products.length > 0 && (
        <ul class="said-cards">
          {products.map((product) => (
            <li key={text(product["id"])} class="row">
              <Picture image={text(product["image"])} size={32} />
              <span class="clip"><bdi>{oneLine(text(product["title"]), 120)}</bdi></span>
              <span class="sp" />
              <span class="num muted">{i18n.f.money(number(product["price"]) ?? 0, text(product["currency"]) || "EUR")}</span>
            </li>
          ))}
        </ul>
      )}
      {offer && (
        <p class="said-offer">
          <b><bdi>{oneLine(text(offer["title"]), 120) || i18n.t("offer.title")}</bdi></b>{" "}
          <span class="muted">{offerInWords(i18n, text(offer["kind"]), number(offer["amount"]) ?? 0, text(offer["currency"]) || "EUR")}</span>
        </p>
      )}
    </>
  );
}
