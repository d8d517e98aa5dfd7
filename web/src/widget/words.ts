/** The chat's words: ours in two languages, the shop's own before them, and figures as the language writes them. */
import en from "../strings/widget.en.json" with { type: "json" };
import type later from "../strings/widget-more.en.json";
import type { Words } from "./bridge.ts";

/** Words of the parts that come later are named here and brought by them. */
export type Key = keyof typeof en | keyof typeof later;

export interface Said {
  locale: string;
  /** The language as Intl knows it. */
  tag: string;
  /** Languages to choose from, by tag. */
  choices: readonly string[];
  direction: "ltr" | "rtl";
  t(key: Key, params?: Readonly<Record<string, string | number>>): string;
  time(at: number): string;
  /** A time with its day, today and yesterday by name. */
  day(at: number, now: number): string;
}

let more: Readonly<Record<string, string>> = {};

/** The English of the parts that came later. */
export function addEnglish(words: Readonly<Record<string, string>>): void {
  more = words;
}

const RTL = /^(ar|fa|he|ps|ur)\b/i;

/** Strings of another language of ours; English comes with the script. */
async function fetched(locale: string): Promise<Words[]> {
  try {
    const response = await fetch(`/static/chat.${locale.slice(0, 2)}.json`);
    return [{ locale, strings: await response.json() }];
  } catch {
    return [];
  }
}

/** Fetches what is missing for a language; English where that fails. */
export const learn = (locale: string, own: readonly Words[]): Promise<Words[]> =>
  locale === "en" || own.some((words) => words.locale === locale) ? Promise.resolve([]) : fetched(locale);

export function say(locale: string, own: readonly Words[]): Said {
  const strings = Object.assign({}, ...own.filter((words) => words.locale === locale).map((words) => words.strings));
  const tag = usable(locale);
  const format = (options: Intl.DateTimeFormatOptions, at: number) => new Intl.DateTimeFormat(tag, options).format(at);
  const time = (at: number) => format({ hour: "2-digit", minute: "2-digit" }, at);
  const t: Said["t"] = (key, params = {}) =>
    String(strings[key] ?? en[key as keyof typeof en] ?? more[key]).replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
  return {
    locale,
    tag,
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
