// The left side: offers with their countdown, the agent's own conversations, those who wait, those of colleagues.
import type { ComponentChildren } from "preact";
import { useId, useMemo, useState } from "preact/hooks";
import type { TaskCard } from "../protocol/gen.ts";
import { useNow } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Band, Button, Empty, Loading, Name, cx } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { Callbacks } from "./callbacks.tsx";
import { useConsole, useDesk } from "./context.ts";

/** Rows shown of a long section before the reader asks for more; the search reaches all of them. */
const PAGE = 200;

export function Queue({ onOpen }: { onOpen: () => void }) {
  const { t, f } = useI18n();
  const desk = useDesk((state) => state.desk);
  const selected = useDesk((state) => state.selected);
  if (!desk) return <Loading label={t("queue.loading")} lines={6} />;
  const nothing = !desk.offered.length && !desk.mine.length && !desk.waiting.length && !desk.others.length && !desk.callbacks.length;
  return (
    <>
      {desk.offered.map((card) => <OfferCard key={card.task} card={card} onOpen={onOpen} />)}
      {nothing && (
        <Empty title={t(desk.presence === "available" ? "queue.empty" : "queue.empty_away")} icon="queue">
          {t(desk.presence === "available" ? "queue.empty_text" : "queue.empty_away_text")}
        </Empty>
      )}
      <List title={t("queue.mine")} aside={`${desk.load}/${desk.capacity}`} cards={desk.mine} selected={selected} onOpen={onOpen} />
      <Callbacks onOpen={onOpen} />
      <List title={t("queue.waiting")} aside={t(desk.waiting_total > desk.waiting.length ? "queue.first_by_value" : "queue.by_value", { n: desk.waiting.length, total: f.count(desk.waiting_total) })} cards={desk.waiting} selected={selected} onOpen={onOpen} />
      <List title={t("queue.others")} aside={String(desk.others.length)} cards={desk.others} selected={selected} onOpen={onOpen} />
    </>
  );
}

function OfferCard({ card, onOpen }: { card: TaskCard; onOpen: () => void }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const { desk } = useConsole();
  const skew = useDesk((state) => state.skew);
  const busy = useDesk((state) => state.busy.some((key) => key.endsWith(`:${card.task}`)));
  const now = useNow(250, skew);
  const left = Math.max(0, (card.deadline ?? now) - now);
  const total = useMemo(() => Math.max(1, left), [card.offer]); // what was left when the offer was first seen
  const id = useId();
  return (
    <section class="offer" aria-labelledby={id}>
      <div class="row">
        <h2 id={id}>{t("offer_card.title")}</h2>
        <span class="sp" />
        <span class="xs muted num" role="timer">{t("offer_card.left", { n: Math.ceil(left / 1000) })}</span>
      </div>
      <div class="row"><Name name={card.name} fallback={t("who.guest")} /><span class="sp" /><Band band={card.band} risk={card.risk} /></div>
      <p class="sm ink2">
        {[i18n.word("task_reason", card.reason), ...card.reasons.map((reason) => i18n.word("reason", reason))].join(" · ")}
        {card.value_at_stake > 0 && <b class="num"> · {t("stake", { money: f.about(card.value_at_stake, card.currency) })}</b>}
      </p>
      {card.preview && <p class="sm muted clip"><Preview card={card} /></p>}
      <svg class="countdown" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">
        <rect width="100" height="3" rx="1.500" class="track" />
        <rect width={(100 * left) / Math.max(total, left)} height="3" rx="1.500" class={cx("left", left < 5000 && "soon")} />
      </svg>
      <div class="row">
        <Button look="primary" keys="A" busy={busy} onClick={() => { desk.accept(card.task, card.offer ?? null); onOpen(); }}>{t("accept")}</Button>
        <Button keys="D" disabled={busy} onClick={() => card.offer && desk.decline(card.task, card.offer)}>{t("decline")}</Button>
      </div>
    </section>
  );
}

function List({ title, aside, cards, selected, onOpen }: {
  title: string;
  aside: ComponentChildren;
  cards: readonly TaskCard[];
  selected: string | null;
  onOpen: () => void;
}) {
  const { t } = useI18n();
  const { desk } = useConsole();
  const id = useId();
  const [limit, setLimit] = useState(PAGE);
  const now = useNow(1000, useDesk((state) => state.skew));
  if (!cards.length) return null;
  return (
    <section aria-labelledby={id}>
      <div class="list-head"><h2 id={id}>{title}</h2><span class="xs muted num">{aside}</span></div>
      <ul>
        {cards.slice(0, limit).map((card) => (
          <li key={card.task} class="q-item">
            <button
              type="button"
              class={cx("q", card.conv === selected && "on", card.unread > 0 && "unread")}
              aria-current={card.conv === selected ? "true" : undefined}
              onClick={() => { desk.select(card.conv); onOpen(); }}
            >
              <Row card={card} now={now} />
            </button>
          </li>
        ))}
      </ul>
      {cards.length > limit && <div class="more"><Button look="ghost" onClick={() => setLimit(limit + PAGE)}>{t("queue.more", { n: cards.length - limit })}</Button></div>}
    </section>
  );
}

/** The last words, and whose they are where they are not the contact's. */
function Preview({ card }: { card: TaskCard }) {
  const { t } = useI18n();
  return <bdi>{card.preview_from !== "contact" && `${t(`who.${card.preview_from}`)}: `}{oneLine(card.preview)}</bdi>;
}

function Row({ card, now }: { card: TaskCard; now: number }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const reasons = card.reasons.length ? card.reasons.map((reason) => i18n.word("reason", reason)) : [i18n.word("task_reason", card.reason)];
  return (
    <>
      <span class="row q-name">
        <span class="clip"><Name name={card.name} fallback={t("who.guest")} /></span>
        {card.unread > 0 && <span class="count num" title={t("unread", { n: card.unread })}>{card.unread}<span class="hidden"> {t("unread", { n: card.unread })}</span></span>}
      </span>
      <Band band={card.band} risk={card.risk} />
      <span class="q-text clip"><Preview card={card} /></span>
      <span class="q-why clip">
        {reasons.slice(0, 2).join(" · ")}
        {card.value_at_stake > 0 && <span class="num"> · {t("stake_short", { money: f.about(card.value_at_stake, card.currency) })}</span>}
      </span>
      <Clock card={card} now={now} />
    </>
  );
}

/** The clock that matters: reply due for an own conversation, waiting time in the queue, the holder's name elsewhere. */
export function Clock({ card, now }: { card: TaskCard; now: number }) {
  const { t, f } = useI18n();
  const { agent } = useConsole();
  const mine = card.agent_id === agent.id;
  if (mine && card.snoozed_until) return <span class="q-clock num">{t("clock.aside", { when: f.moment(card.snoozed_until, now) })}</span>;
  if (mine && card.state === "assigned" && card.due_at) {
    const left = card.due_at - now;
    return left >= 0
      ? <span class={cx("q-clock num", left < 30_000 && "soon")}>{t("clock.due", { time: f.clock(left) })}</span>
      : <span class="q-clock num late">{t("clock.late", { time: f.clock(-left) })}</span>;
  }
  if (mine && card.state === "wrap_up") return <span class="q-clock">{t("clock.wrap_up")}</span>;
  if (card.state === "queued" || card.state === "offered") {
    return <span class="q-clock num" title={t("clock.waiting")}>{f.clock(now - card.waiting_since)}<span class="hidden"> {t("clock.waiting")}</span></span>;
  }
  return <span class="q-clock clip"><bdi>{mine ? "" : card.agent ?? ""}</bdi></span>;
}
