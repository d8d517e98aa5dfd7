// Numbers, money and times in the reader's language. Money comes in minor units, times in UTC milliseconds.

export type Locale = "en" | "zh";
const TAGS: Record<Locale, string> = { en: "en-GB", zh: "zh-CN" };
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface Format {
  /** 324000, "EUR" → €3,240; a part of a unit is shown only when there is one. */
  money(minor: number, currency: string, sign?: boolean): string;
  /** Money in whole units where it has ten or more: for lists. */
  about(minor: number, currency: string): string;
  count(value: number, digits?: number): string;
  /** Always so many digits behind the point. */
  fixed(value: number, digits: number): string;
  /** 0.714 → 71% */
  percent(value: number, digits?: number): string;
  /** A probability with two digits: 0.76 */
  probability(value: number): string;
  /** A signed change with two digits: +0.28, −0.07 */
  change(value: number): string;
  /** m:ss, h:mm:ss, or days */
  clock(ms: number): string;
  /** A duration in its largest unit: 41 s, 6 min, 3 h, 5 d */
  span(ms: number): string;
  time(at: number): string;
  date(at: number): string;
  dateTime(at: number): string;
  /** Today, yesterday, or the date. */
  day(at: number, now: number): string;
  /** The time of a moment of today, with its date of another day. */
  moment(at: number, now: number): string;
  /** 12 days ago */
  ago(at: number, now: number): string;
}

function startOfDay(at: number): number {
  const date = new Date(at);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** A typographic minus where Intl gives a hyphen. */
const minus = (text: string): string => text.replace("-", "−");

export function format(locale: Locale): Format {
  const tag = TAGS[locale];
  const time = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const date = new Intl.DateTimeFormat(tag, { day: "numeric", month: "short", year: "numeric" });
  const dayMonth = new Intl.DateTimeFormat(tag, { day: "numeric", month: "short" });
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: "auto" });
  const fixed2 = new Intl.NumberFormat(tag, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const monies = new Map<string, Intl.NumberFormat>();

  const moneyFormat = (currency: string): Intl.NumberFormat => {
    let known = monies.get(currency);
    if (!known) {
      try {
        known = new Intl.NumberFormat(tag, { style: "currency", currency, currencyDisplay: "narrowSymbol" });
      } catch {
        known = new Intl.NumberFormat(tag, { minimumFractionDigits: 2, maximumFractionDigits: 2 }); // not a currency that Intl knows
      }
      monies.set(currency, known);
    }
    return known;
  };

  return {
    money(minor, currency, sign = false) {
      const formatter = moneyFormat(currency);
      const digits = formatter.resolvedOptions().maximumFractionDigits ?? 2;
      const value = minor / 10 ** digits;
      const parts = formatter.formatToParts(Math.abs(value));
      const whole = Number.isInteger(value);
      const text = parts
        .filter((part) => !whole || (part.type !== "decimal" && part.type !== "fraction"))
        .map((part) => part.value)
        .join("");
      if (value < 0) return `−${text}`;
      return sign && value > 0 ? `+${text}` : text;
    },
    about(minor, currency) {
      const unit = 10 ** (moneyFormat(currency).resolvedOptions().maximumFractionDigits ?? 2);
      return this.money(Math.abs(minor) >= 10 * unit ? Math.round(minor / unit) * unit : minor, currency);
    },
    fixed: (value, digits) => new Intl.NumberFormat(tag, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value),
    count: (value, digits = 0) => new Intl.NumberFormat(tag, { maximumFractionDigits: digits }).format(value),
    percent: (value, digits = 0) =>
      minus(new Intl.NumberFormat(tag, { style: "percent", maximumFractionDigits: digits }).format(value)),
    probability: (value) => fixed2.format(value),
    change: (value) => (value < 0 ? "−" : "+") + fixed2.format(Math.abs(value)),
    clock(ms) {
      if (ms >= DAY) return this.span(ms);
      const seconds = Math.max(0, Math.floor(ms / SECOND));
      const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
      const pad = (part: number): string => String(part).padStart(2, "0");
      return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
    },
    span(ms) {
      const steps: [number, string][] = [[DAY, "day"], [HOUR, "hour"], [MINUTE, "minute"], [SECOND, "second"]];
      const [size, unit] = steps.find(([length]) => ms >= length) ?? [SECOND, "second"];
      const digits = ms < 10 * SECOND ? 1 : 0;
      return new Intl.NumberFormat(tag, { style: "unit", unit, unitDisplay: "narrow", maximumFractionDigits: digits }).format(ms / size);
    },
    time: (at) => time.format(at),
    date: (at) => date.format(at),
    dateTime: (at) => `${dayMonth.format(at)} ${time.format(at)}`,
    day(at, now) {
      const days = Math.round((startOfDay(at) - startOfDay(now)) / DAY);
      return days === 0 || days === -1 ? capital(relative.format(days, "day")) : date.format(at);
    },
    moment(at, now) {
      return startOfDay(at) === startOfDay(now) ? time.format(at) : this.dateTime(at);
    },
    ago(at, now) {
      const ms = Math.max(0, now - at);
      if (ms < MINUTE) return relative.format(-Math.floor(ms / SECOND), "second");
      if (ms < HOUR) return relative.format(-Math.floor(ms / MINUTE), "minute");
      if (ms < DAY) return relative.format(-Math.floor(ms / HOUR), "hour");
      if (ms < 60 * DAY) return relative.format(-Math.floor(ms / DAY), "day");
      if (ms < 730 * DAY) return relative.format(-Math.floor(ms / (30 * DAY)), "month");
      return relative.format(-Math.floor(ms / (365 * DAY)), "year");
    },
  };
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
