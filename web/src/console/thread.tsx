// The middle: who it is, what can be done, how the risk went, what was said, and where to write.
import { useMemo } from "preact/hooks";
import { curvePoints, turnNumber } from "../ui/bundle.ts";
import { RiskCurve, turnThatMoved, type Moved } from "../ui/curve.tsx";
import { useI18n } from "../ui/i18n.tsx";
import { Button, COMMAND_KEY, Empty, Failed, Loading, Name } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { Composer } from "./composer.tsx";
import { useConsole, useDesk } from "./context.ts";
import type { Ask, Place } from "./context.ts";
import { Messages } from "./messages.tsx";
import { cardOf, control, emptyThread, type Thread } from "./state.ts";
import type { Suggested } from "./suggest.ts";

const EMPTY = emptyThread("");

export function useSelected(): Thread | null {
  const selected = useDesk((state) => state.selected);
  const thread = useDesk((state) => (state.selected ? state.threads[state.selected] ?? null : null));
  return selected ? thread ?? { ...EMPTY, conv: selected } : null;
}

export function ThreadPane({ items, ask, focus, onPick }: {
  items: readonly Suggested[];
  ask: (what: Ask) => void;
  focus: Place | null;
  onPick: (seq: number) => void;
}) {
  const { t } = useI18n();
  const { desk } = useConsole();
  const thread = useSelected();
  const card = useDesk((state) => cardOf(state, state.selected));
  const holds = useDesk((state) => state.selected !== null && control(state, state.selected).holds);
  const points = useMemo(() => curvePoints(thread?.scores ?? []), [thread?.scores]);
  const moved = useMemo(() => turnThatMoved(points), [points]);
  // A key in the composer changes the draft alone; a long transcript is not drawn again for it.
  const messages = useMemo(
    () => thread && <Messages thread={thread} moved={moved} focus={focus} />,
    [thread?.conv, thread?.bundle, thread?.events, thread?.notes, thread?.scores, thread?.pending, thread?.typing, thread?.seen, moved, focus],
  );
  if (!thread) {
    return <Empty title={t("thread.none")} icon="chat">{t("thread.none_text", { key: COMMAND_KEY })}</Empty>;
  }
  if (!thread.bundle) {
    return thread.error ? <Failed error={thread.error} retry={() => void desk.open(thread.conv)} /> : <Loading label={t("thread.loading")} lines={7} />;
  }
  return (
    <>
      <Head thread={thread} holds={holds} ask={ask} />
      {points.length > 0 && (
        <div class="curve-row">
          <RiskCurve points={points} thresholds={thread.bundle.thresholds} moved={moved} onPick={onPick} />
          <Course thread={thread} moved={moved} first={points[0]!.churn} last={points.at(-1)!.churn} onPick={onPick} />
        </div>
      )}
      {messages}
      <Composer thread={thread} holds={holds} holder={card && !holds ? card.agent ?? null : null} items={items} />
    </>
  );
}

function Course({ thread, moved, first, last, onPick }: { thread: Thread; moved: Moved | null; first: number; last: number; onPick: (seq: number) => void }) {
  const { t, f } = useI18n();
  const said = moved && thread.events.find((ev) => ev.seq === moved.seq)?.body;
  return (
    <p class="row wrap xs muted course-line">
      <span>{t("curve.title")}</span>
      <span class="sp" />
      <span class="num">{f.probability(first)} → {f.probability(last)}</span>
      {moved && (
        <button type="button" class="link num clip" onClick={() => onPick(moved.seq)}>
          <bdi>{t("curve.moved", { delta: f.change(moved.delta), n: turnNumber(thread.events, moved.seq), said: said ? `“${oneLine(said, 48)}”` : "" })}</bdi>
        </button>
      )}
    </p>
  );
}

function Head({ thread, holds, ask }: { thread: Thread; holds: boolean; ask: (what: Ask) => void }) {
  const { t } = useI18n();
  const { desk, agent } = useConsole();
  const card = useDesk((state) => cardOf(state, thread.conv));
  const epoch = useDesk((state) => control(state, thread.conv).assignEpoch);
  const busy = useDesk((state) => state.busy);
  const offered = useDesk((state) => state.desk?.offered.find((item) => item.conv === thread.conv));
  const bundle = thread.bundle!;
  const { contact, conversation } = bundle;
  const waits = card?.state === "queued";
  const mineToWrapUp = card?.state === "wrap_up" && card.agent_id === agent.id;
  const mayTakeOver = !holds && !offered && !waits && !mineToWrapUp && conversation.status !== "resolved" && (!card?.agent_id || agent.role !== "agent");
  const latest = [...bundle.orders].sort((a, b) => b.ts_event - a.ts_event)[0];
  const facts = [
    latest && t("head.order", { no: oneLine(latest.order_no, 24) }),
    conversation.locale,
    contact.since ? t("head.since", { year: new Date(contact.since).getFullYear() }) : t("head.new"),
    card && !holds && card.agent ? t("head.held_by", { name: oneLine(card.agent, 40) }) : "",
  ].filter(Boolean);
  const is = (command: string, about: string | undefined): boolean => busy.includes(`${command}:${about}`);
  return (
    <header class="head">
      <div class="head-who">
        <h2 class="title"><Name name={contact.name} fallback={t("who.guest")} /></h2>
        <p class="sm muted clip">{facts.map((fact, i) => <span key={i}>{i > 0 && " · "}<bdi>{fact}</bdi></span>)}</p>
      </div>
      <div class="head-do">
        {conversation.status === "resolved" && !mineToWrapUp && <span class="tag">{t("status.resolved")}</span>}
        {offered && <Button look="primary" busy={is("accept", offered.task)} onClick={() => desk.accept(offered.task, offered.offer ?? null)}>{t("accept")}</Button>}
        {waits && card && <Button look="primary" busy={is("accept", card.task)} onClick={() => desk.accept(card.task, null)}>{t("do.claim")}</Button>}
        {mayTakeOver && <Button busy={is("takeover", thread.conv)} keys="T" onClick={() => desk.takeOver(thread.conv)}>{t("do.take_over")}</Button>}
        {holds && <Button look="ghost" keys="Z" busy={is("snooze", thread.conv)} onClick={() => ask("snooze")}>{t("do.snooze")}</Button>}
        {holds && <Button look="ghost" keys="P" busy={is("transfer", thread.conv)} onClick={() => ask("transfer")}>{t("do.transfer")}</Button>}
        {holds && <Button look="ghost" keys="B" busy={is("return", thread.conv)} onClick={() => desk.returnToBot(thread.conv, epoch)}>{t("do.return")}</Button>}
        {(holds || mineToWrapUp) && <Button keys="E" busy={is("resolve", thread.conv)} onClick={() => ask("resolve")}>{t("do.resolve")}</Button>}
      </div>
    </header>
  );
}
