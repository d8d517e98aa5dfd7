/** The chat's words: ours in two languages, the shop's own before them, and figures as the language writes them. */
import en from "../strings/widget.en.json" with { type: "json" };
import zh from "../strings/widget.zh.json" with { type: "json" };
import type { Words } from "./bridge.ts";

export type Key = keyof typeof en;

export interface Said {
  locale: string;
  /** Languages to choose from, by tag. */
  choices: readonly string[];
  direction: "ltr" | "rtl";
  t(key: Key, params?: Readonly<Record<string, string | number>>): string;
  time(at: number): string;
  /** A time with its day, today and yesterday by name. */
  day(at: number, now: number): string;
  date(at: number): string;
  /** Integer minor units as an amount of money. */
  money(minor: number, currency: string): string;
}

const RTL = /^(ar|dv|fa|he|ku|ps|ur|yi)\b/i;

export function say(locale: string, own: readonly Words[]): Said {
  const strings: Readonly<Record<string, string>> = {
    ...(locale.toLowerCase().startsWith("zh") ? zh : en),
    ...own.find((words) => words.locale === locale)?.strings,
  };
  const tag = usable(locale);
  const format = (options: Intl.DateTimeFormatOptions, at: number) => new Intl.DateTimeFormat(tag, options).format(at);
  const time = (at: number) => format({ hour: "2-digit", minute: "2-digit" }, at);
  const t: Said["t"] = (key, params = {}) =>
    String(strings[key] ?? en[key]).replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
  return {
    locale,
    choices: [...new Set(["en", "zh-CN", ...own.map((words) => words.locale)])],
    direction: RTL.test(locale) ? "rtl" : "ltr",
    t,
    time,
    day(at, now) {
      const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
      if (days === 0) return t("today", { time: time(at) });
      if (days === 1) return t("yesterday", { time: time(at) });
      return format({ dateStyle: "medium", timeStyle: "short" }, at);
    },
    date: (at) => format({ day: "numeric", month: "short", year: "numeric" }, at),
    money(minor, currency) {
      try {
        const style = { style: "currency", currency, currencyDisplay: "narrowSymbol", trailingZeroDisplay: "stripIfInteger" } as const;
        const amount = new Intl.NumberFormat(tag, style);
        return amount.format(minor / 10 ** (amount.resolvedOptions().maximumFractionDigits ?? 2));
      } catch {
        return `${minor / 100} ${currency}`;
      }
    },
  };
}

/** The tag if Intl knows what to do with it, else English. */
function usable(locale: string): string {
  try {
    new Intl.Locale(locale);
    return locale;
  } catch {
    return "en";
  }
}

/** One of our two languages for any tag, unless the shop brings that one. */
export function offered(locale: string, own: readonly Words[]): string {
  if (own.some((words) => words.locale === locale)) return locale;
  return locale.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
}

/** The name of a language in itself. */
export function languageName(tag: string): string {
  if (tag === "en") return "English";
  if (tag === "zh-CN") return "中文";
  try {
    return new Intl.DisplayNames([tag], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
