// Call-backs: who left an address when nobody was there. A list in the queue, and what to do about one beside its conversation.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { CallbackCard } from "../protocol/gen.ts";
import { useNow } from "../ui/hooks.ts";
import { useI18n, type I18n } from "../ui/i18n.tsx";
import { Button, Name, Section, cx } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { useConsole, useDesk } from "./context.ts";

/** Where somebody can be reached, for one line. */
const addresses = (card: CallbackCard): string => [card.phone, card.email].filter(Boolean).map((one) => oneLine(one!, 60)).join(" · ");

/** Who is at it, or how often it was tried. */
function progress({ t, f }: I18n, card: CallbackCard, now: number): string {
  if (card.taken) return t("callback.taken", { name: oneLine(card.agent ?? "", 40) });
  if (card.attempts) return t(card.attempts === 1 ? "callback.tried_once" : "callback.tried", { n: card.attempts, ago: f.ago(card.tried_at ?? card.at, now) });
  return f.ago(card.at, now);
}

export function Callbacks({ onOpen }: { onOpen: () => void }) {
  const i18n = useI18n();
  const { t } = i18n;
  const { desk } = useConsole();
  const list = useDesk((state) => state.desk?.callbacks) ?? [];
  const total = useDesk((state) => state.desk?.callbacks_total ?? 0);
  const selected = useDesk((state) => state.selected);
  const now = useNow(30_000);
  const id = useId();
  if (!list.length) return null;
  return (
    <section aria-labelledby={id}>
      <div class="list-head"><h2 id={id}>{t("callback.list")}</h2><span class="xs muted num">{total}</span></div>
      <ul>
        {list.map((card) => (
          <li key={card.id} class="q-item">
            <button type="button" class={cx("q", card.conv === selected && "on")} aria-current={card.conv === selected ? "true" : undefined} onClick={() => { desk.select(card.conv); onOpen(); }}>
              <span class="q-name clip"><Name name={card.name} fallback={t("who.guest")} /></span>
              <span class="tag">{t("callback.tag")}</span>
              <span class="q-text clip"><bdi>{addresses(card)}</bdi></span>
              <span class="q-why clip"><bdi>{card.suits ? oneLine(card.suits, 120) : t("callback.any_time")}</bdi></span>
              <span class="q-clock clip"><bdi>{progress(i18n, card, now)}</bdi></span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The call-back of a conversation with what is to be done about it; nothing where none is open. */
export function CallbackPanel({ conv }: { conv: string }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const { desk, agent } = useConsole();
  const card = useDesk((state) => state.desk?.callbacks.find((one) => one.conv === conv) ?? null);
  const busy = useDesk((state) => state.busy.includes("callback:call"));
  const now = useNow(30_000);
  if (!card) return null;
  const others = card.taken && card.agent_id !== agent.id;
  const there = localTime(card.timezone, now, f.time);
  const facts: [string, ComponentChildren][] = [[t("callback.suits"), <bdi>{card.suits ? oneLine(card.suits) : t("callback.any_time")}</bdi>]];
  if (card.email) facts.unshift([t("callback.email"), <a class="link" href={`mailto:${encodeURIComponent(card.email)}`}><bdi>{oneLine(card.email, 120)}</bdi></a>]);
  if (card.phone) facts.unshift([t("callback.phone"), <a class="link num" href={`tel:${card.phone.replace(/[^+\d]/g, "")}`}><bdi>{oneLine(card.phone, 60)}</bdi></a>]);
  if (there) facts.push([t("callback.there"), there]);
  return (
    <Section title={t("callback.title")} aside={<span class="xs muted">{progress(i18n, card, now)}</span>} class="callback">
      <dl class="kv">{facts.map(([term, value]) => <div key={term}><dt>{term}</dt><dd>{value}</dd></div>)}</dl>
      <div class="row wrap">
        {!card.taken && <Button look="primary" busy={busy} onClick={() => desk.callBack(card.id, "take")}>{t("callback.take")}</Button>}
        <Button look={card.taken && !others ? "primary" : "plain"} disabled={others} busy={busy} onClick={() => desk.callBack(card.id, "done")}>{t("callback.done")}</Button>
        <Button disabled={others} busy={busy} onClick={() => desk.callBack(card.id, "not_reached")}>{t("callback.not_reached")}</Button>
      </div>
      <p class="xs muted">{t(others ? "callback.theirs" : "callback.hint")}</p>
    </Section>
  );
}

/** The time of day where the customer is, with the zone's name; null for a zone that nobody knows. */
function localTime(zone: string | null | undefined, now: number, own: (at: number) => string): string | null {
  if (!zone) return null;
  try {
    const there = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone }).format(now);
    return there === own(now) ? null : `${there} · ${zone}`;
  } catch {
    return null;
  }
}
