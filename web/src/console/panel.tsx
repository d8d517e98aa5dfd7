// The right side: why the contact may leave, what to do about it, who it is and what was bought.
import { useState } from "preact/hooks";
import { turnNumber, type Bundle, type Earlier, type Order, type ProductSuggestion, type ScriptSuggestion } from "../ui/bundle.ts";
import { actionInWords, sourcesInWords, whyInWords } from "../ui/codes.ts";
import { DriverBars } from "../ui/drivers.tsx";
import { Picture, offerInWords } from "../ui/event.tsx";
import { useLoad, useNow } from "../ui/hooks.ts";
import { useI18n, type I18n } from "../ui/i18n.tsx";
import { Band, Button, Failed, IconButton, Kbd, Loading, Name, Section } from "../ui/parts.tsx";
import { displayName, oneLine } from "../ui/text.ts";
import { CallbackPanel } from "./callbacks.tsx";
import { useConsole } from "./context.ts";
import type { Thread } from "./state.ts";
import { productText, type Suggested } from "./suggest.ts";

export function Panel({ thread, items, holds, onInsert, onPick }: {
  thread: Thread;
  items: readonly Suggested[];
  holds: boolean;
  onInsert: (item: Suggested) => void;
  onPick: (seq: number) => void;
}) {
  const { bundle } = thread;
  const { t } = useI18n();
  if (!bundle) return <Loading label={t("panel.loading")} lines={8} />;
  return (
    <>
      <CallbackPanel conv={thread.conv} />
      <WhyAtRisk thread={thread} bundle={bundle} onPick={onPick} />
      <WhatToDo bundle={bundle} items={items} holds={holds} onInsert={onInsert} />
      <Customer bundle={bundle} />
      <Orders bundle={bundle} />
      <EarlierConversations bundle={bundle} />
    </>
  );
}

function WhyAtRisk({ thread, bundle, onPick }: { thread: Thread; bundle: Bundle; onPick: (seq: number) => void }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const last = thread.scores.findLast((score) => typeof score.churn === "number");
  const interval = last && typeof last.low === "number" && typeof last.high === "number" ? ([last.low, last.high] as [number, number]) : null;
  const quote = (seq: number): string | undefined => thread.events.find((ev) => ev.seq === seq)?.body ?? undefined;
  const reasons = bundle.reasons.map((item) => `${i18n.word("reason", item.reason)} ${f.percent(item.probability)}`);
  return (
    <Section title={t("panel.why")} aside={<Band band={last?.band} risk={last?.churn} word interval={interval} />}>
      {bundle.drivers.length > 0
        ? <DriverBars drivers={bundle.drivers} quote={quote} turn={(seq) => turnNumber(thread.events, seq)} currency={bundle.contact.currency} onPick={onPick} />
        : <p class="sm muted">{t("panel.no_drivers")}</p>}
      <p class="xs muted">
        {reasons.length > 0 && <>{t("panel.reasons", { reasons: reasons.join(" · ") })} · </>}
        {t("panel.calibrated")}
      </p>
      {typeof last?.need_human === "number" && typeof last.dissatisfaction === "number" && (
        <p class="xs muted num">{t("panel.heads", { human: f.percent(last.need_human), unhappy: f.percent(last.dissatisfaction) })}</p>
      )}
      {bundle.anomaly && bundle.anomaly.signals.length > 0 && (
        <p class="xs muted">
          {t("panel.unusual", { what: bundle.anomaly.signals.slice(0, 3).map((signal) => signal.words[i18n.locale]).join(" · ") })}
          {bundle.anomaly.gated && <> · <b>{t("panel.unusual_gated")}</b></>}
        </p>
      )}
    </Section>
  );
}

function WhatToDo({ bundle, items, holds, onInsert }: { bundle: Bundle; items: readonly Suggested[]; holds: boolean; onInsert: (item: Suggested) => void }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const { wallet } = bundle;
  return (
    <Section title={t("panel.todo")} aside={wallet && <span class="xs muted num">{t("panel.wallet", { left: f.money(wallet.left, wallet.currency), cap: f.money(wallet.cap, wallet.currency) })}</span>}>
      {bundle.contact.group === "holdout" && <p class="tag warn wraps">{t("panel.holdout")}</p>}
      {items.length === 0 && <p class="sm muted">{t("panel.no_suggestions")}</p>}
      <ul class="sugs">
        {items.map((item) => <li key={`${item.is}-${item.id}`}><Suggestion item={item} bundle={bundle} holds={holds} onInsert={onInsert} /></li>)}
      </ul>
      {bundle.tried.length > 0 && (
        <p class="xs muted">{t("panel.tried", { what: bundle.tried.slice(-4).map((one) => actionInWords(i18n, one.action)).join(" · ") })}</p>
      )}
    </Section>
  );
}

function Suggestion({ item, bundle, holds, onInsert }: { item: Suggested; bundle: Bundle; holds: boolean; onInsert: (item: Suggested) => void }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const [copied, setCopied] = useState(false);
  const offer = item.is === "script" ? item.script.offer : null;
  const copy = (): void => {
    void navigator.clipboard.writeText(item.is === "product" ? productText(item.product, f) : item.text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    });
  };
  return (
    <div class="sug">
      <button type="button" class="sug-main" disabled={!holds} aria-keyshortcuts={item.key || undefined} title={holds ? t("panel.insert") : t("panel.insert_not")} onClick={() => onInsert(item)}>
        {item.is === "product" && <Picture image={item.product.image} />}
        <span class="sug-text">
          <span class="row sug-title"><b class="sm"><bdi>{oneLine(item.title, 100)}</bdi></b></span>
          {item.is === "script"
            ? <span class="sm ink2 lines-3"><bdi>{item.text}</bdi></span>
            : <span class="xs muted num">{f.money(item.product.price, item.product.currency)} · {item.product.stock > 0 ? t("stock", { n: item.product.stock }) : t("stock_none")}</span>}
          {offer && <span class="xs num offer-line">{t("panel.offer", { offer: offerInWords(i18n, offer.kind, offer.amount, bundle.contact.currency), cost: f.money(offer.cost, bundle.contact.currency) })}</span>}
          <Citation found={item.is === "script" ? item.script : item.product} />
        </span>
        {item.key && <Kbd>{item.key}</Kbd>}
      </button>
      <IconButton label={copied ? t("copied") : t("copy")} icon={copied ? "check" : "copy"} onClick={copy} class="sug-copy" />
    </div>
  );
}

/** Why it was retrieved: its grounds, and what each source says for it. */
function Citation({ found }: { found: ScriptSuggestion | ProductSuggestion }) {
  const i18n = useI18n();
  const why = whyInWords(i18n, found.why);
  const sources = sourcesInWords(i18n, found.sources ?? {});
  return (
    <span class="xs muted">
      {why && <span class="block">{why}</span>}
      {sources && <span class="block num">{sources}</span>}
    </span>
  );
}

function Customer({ bundle }: { bundle: Bundle }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const now = useNow(60_000);
  const { contact } = bundle;
  const facts: [string, string][] = [
    [t("fact.value"), contact.value_year === null ? "—" : f.money(contact.value_year, contact.currency)],
    [t("fact.orders"), f.count(contact.orders)],
    [t("fact.last_order"), contact.last_order_at ? f.ago(contact.last_order_at, now) : "—"],
    [t("fact.returns"), f.count(contact.returns)],
    [t("fact.csat"), contact.csat_last.length ? contact.csat_last.join(" · ") : "—"],
    [t("fact.group"), t(`group.${contact.group}`)],
  ];
  return (
    <Section title={t("panel.customer")} aside={<span class={contact.verified ? "tag good" : "tag"}>{t(contact.verified ? "fact.verified" : "fact.unverified")}</span>}>
      <p class="sm"><Name name={contact.name} fallback={t("who.guest")} />{contact.email && <span class="muted block clip"><bdi>{displayName(contact.email)}</bdi></span>}</p>
      <dl class="kv">{facts.map(([term, value]) => <div key={term}><dt>{term}</dt><dd>{value}</dd></div>)}</dl>
    </Section>
  );
}

function Orders({ bundle }: { bundle: Bundle }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const [all, setAll] = useState(false);
  const orders = [...bundle.orders].sort((a, b) => b.ts_event - a.ts_event);
  const shown = all ? orders : orders.slice(0, 4);
  return (
    <Section title={t("panel.orders")} aside={<span class="xs muted num">{orders.length}</span>}>
      {orders.length === 0 && <p class="sm muted">{t("panel.no_orders")}</p>}
      <ul class="lines">
        {shown.map((order) => (
          <li key={order.order_no} class="line">
            <span class="row sm"><span class="num b"><bdi>{oneLine(order.order_no, 30)}</bdi></span><span class="muted clip"><bdi>{lineTitles(order)}</bdi></span><span class="sp" /><span class="num">{f.money(order.total, order.currency)}</span></span>
            <span class="row xs muted"><span>{f.date(order.ts_event)} · {i18n.word("order_status", order.status)}</span>{lateBy(i18n, order)}</span>
          </li>
        ))}
      </ul>
      {orders.length > shown.length && <Button look="ghost" onClick={() => setAll(true)}>{t("panel.all_orders", { n: orders.length })}</Button>}
      {bundle.returns.length > 0 && <h3 class="sub">{t("panel.returns")}</h3>}
      <ul class="lines">
        {bundle.returns.slice(0, 5).map((item, i) => (
          <li key={`${item.order_no}-${i}`} class="line row sm">
            <span class="num b"><bdi>{oneLine(item.order_no, 30)}</bdi></span>
            <span class="muted clip">{item.reason ? i18n.word("return_reason", item.reason) : t("panel.no_reason")} · {f.date(item.ts_event)}</span>
            <span class="sp" />
            <span class="num">{f.money(item.amount, bundle.contact.currency)}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function lineTitles(order: Order): string {
  const [first, ...rest] = order.lines.map((line) => line.title ?? line.product_id ?? "").filter(Boolean);
  return first ? oneLine(first, 60) + (rest.length ? ` +${rest.length}` : "") : "";
}

function lateBy({ t, f }: I18n, order: Order) {
  if (!order.promised_at) return null;
  const end = order.delivered_at ?? Date.now();
  const late = end - order.promised_at;
  if (late < 3_600_000 || (order.status !== "delivered" && order.status !== "shipped" && order.status !== "placed")) return null;
  return <span class="tag warn">{t(order.delivered_at ? "order.was_late" : "order.is_late", { span: f.span(late) })}</span>;
}

function EarlierConversations({ bundle }: { bundle: Bundle }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  const { api, desk } = useConsole();
  const contact = bundle.contact.id;
  const [loaded, reload] = useLoad(contact, (signal) =>
    api.get<{ conversations: Earlier[] }>(`/api/desk/history?contact=${encodeURIComponent(contact)}`, signal));
  const earlier = loaded.data?.conversations.filter((one) => one.id !== bundle.conversation.id) ?? [];
  return (
    <Section title={t("panel.earlier")} aside={loaded.data && <span class="xs muted num">{earlier.length}</span>}>
      {loaded.state === "loading" && !loaded.data && <Loading label={t("loading")} lines={2} />}
      {loaded.state === "error" && !loaded.data && <Failed error={loaded.error} retry={reload} />}
      {loaded.data && earlier.length === 0 && <p class="sm muted">{t("panel.no_earlier")}</p>}
      <ul class="lines">
        {earlier.slice(0, 10).map((one) => (
          <li key={one.id}>
            <button type="button" class="earlier" onClick={() => desk.select(one.id)}>
              <span class="row"><span class="xs muted num">{f.date(one.created_at)}</span><span class="sp" /><Band band={one.band} risk={one.risk} /></span>
              {one.preview && <span class="sm clip"><bdi>{oneLine(one.preview)}</bdi></span>}
              <span class="xs muted clip">
                {[...one.reasons.slice(0, 2).map((reason) => i18n.word("reason", reason)), one.disposition ? i18n.word("disposition", one.disposition) : i18n.word("status", one.status), one.csat ? t("csat", { score: one.csat }) : ""].filter(Boolean).join(" · ")}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Section>
  );
}
