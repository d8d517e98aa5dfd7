// What moved the score, in words, with signed bars.
import { useI18n, type I18n } from "./i18n.tsx";
import { oneLine } from "./text.ts";

export interface Driver {
  kind: string;
  code: string;
  value?: number | string | null;
  effect: number;
  seq?: number | null;
}

/** How the value of a history feature is written. Features of money and of counts are served as log(1 + x). */
type ValueKind = "number" | "days" | "share" | "ratio" | "log_money" | "log_count" | "change";
const KINDS: Readonly<Record<string, ValueKind>> = {
  recency_days: "days", tenure_days: "days", gap_mean: "days", gap_median: "days", return_days: "days",
  return_share: "share", cancelled_share: "share", coupon_share: "share", late_share: "share", weekend_share: "share",
  spend: "log_money", spend_90d: "log_money", mean_order: "log_money",
  items_mean: "log_count", products_mean: "log_count",
  last_order_ratio: "ratio", gap_spread: "ratio", overdue_ratio: "ratio", last_gap_ratio: "ratio", order_rate: "ratio", hour_mean: "ratio", csat_mean: "ratio",
  orders_trend: "change", spend_trend: "change",
};

/** The value as a person would write it, and the count that decides between singular and plural. */
export function valueInWords(i18n: I18n, code: string, value: number | string, currency: string): { value: string; n?: number } {
  if (typeof value === "string") return { value: oneLine(value, 60) };
  switch (KINDS[code] ?? "number") {
    case "share":
      return { value: i18n.f.percent(value) };
    case "log_money":
      return { value: i18n.f.money(Math.round(Math.expm1(value)) * 100, currency) };
    case "log_count":
      return tenths(i18n, Math.expm1(value));
    case "ratio":
      return tenths(i18n, value);
    case "change":
      return { value: i18n.f.change(value) };
    default: {
      const whole = Math.round(value);
      return { value: i18n.f.count(whole), n: whole };
    }
  }
}

function tenths(i18n: I18n, value: number): { value: string; n: number } {
  return { value: i18n.f.count(value, 1), n: Math.round(value * 10) / 10 };
}

/** A driver in words. `quote` gives the text of a turn. */
export function driverInWords(i18n: I18n, driver: Driver, quote: (seq: number) => string | undefined, turn: (seq: number) => number, currency = "EUR"): string {
  if (driver.kind === "turn" && typeof driver.seq === "number") {
    const said = quote(driver.seq);
    const n = turn(driver.seq);
    return said ? i18n.t("driver_turn.said", { said: oneLine(said, 48), turn: n }) : i18n.t("driver_turn.plain", { turn: n });
  }
  if (driver.value === null || driver.value === undefined) {
    return i18n.t("driver_missing", { what: i18n.word("driver_name", driver.code) });
  }
  const params = valueInWords(i18n, driver.code, driver.value, currency);
  const key = `driver.${driver.code}`;
  if (i18n.known(key) || i18n.known(`${key}.other`)) return i18n.t(key, params);
  return i18n.t("driver_plain", { what: i18n.word("driver_name", driver.code), value: params.value });
}

export function DriverBars({ drivers, quote, turn, currency, onPick }: {
  drivers: readonly Driver[];
  quote: (seq: number) => string | undefined;
  turn: (seq: number) => number;
  currency?: string | undefined;
  onPick?: (seq: number) => void;
}) {
  const i18n = useI18n();
  const most = Math.max(0.01, ...drivers.map((driver) => Math.abs(driver.effect)));
  return (
    <ul class="drivers">
      {drivers.map((driver, i) => {
        const words = driverInWords(i18n, driver, quote, turn, currency);
        const seq = driver.kind === "turn" ? driver.seq : null;
        const share = (Math.abs(driver.effect) / most) * 50;
        return (
          <li key={`${driver.code}-${driver.seq ?? i}`} class="driver">
            {seq && onPick ? <button type="button" class="link" onClick={() => onPick(seq)}><bdi>{words}</bdi></button> : <bdi>{words}</bdi>}
            <svg viewBox="0 0 100 8" preserveAspectRatio="none" class="driver-bar" aria-hidden="true">
              <rect width="100" height="8" rx="2" class="track" />
              <rect x={driver.effect < 0 ? 50 - share : 50} width={share} height="8" rx="1.500" class={driver.effect < 0 ? "calms" : "drives"} />
              <line x1="50" x2="50" y1="0" y2="8" class="zero" />
            </svg>
            <span class="num xs">{i18n.f.change(driver.effect)}</span>
          </li>
        );
      })}
    </ul>
  );
}
