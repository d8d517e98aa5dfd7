// Words on the screen. Strings are flat JSON files, `<key>` or `<key>.one` / `<key>.other` where a count `n` decides.
import { createContext, type ComponentChildren } from "preact";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";
import { format, type Format, type Locale } from "./format.ts";
import { readable } from "./text.ts";

export type { Locale } from "./format.ts";
export type Strings = Readonly<Record<string, string>>;
export type Catalogue = Readonly<Record<Locale, Strings>>;
export type Params = Readonly<Record<string, string | number>>;

export interface Words {
  locale: Locale;
  /** The string of a key; the key itself where it is missing, which a test forbids. */
  t(key: string, params?: Params): string;
  /** Words for a code of the server's: `<kind>.<code>`, else the code made readable. */
  word(kind: string, code: string, params?: Params): string;
  known(key: string): boolean;
}

export interface I18n extends Words {
  f: Format;
  setLocale(locale: Locale): void;
}

export function fill(template: string, params: Params = {}): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => (name in params ? String(params[name]) : whole));
}

export function words(locale: Locale, strings: Strings): Words {
  const plural = new Intl.PluralRules(locale);
  const find = (key: string, params?: Params): string | undefined => {
    const n = params?.["n"];
    const counted = typeof n === "number" ? strings[`${key}.${plural.select(n)}`] : undefined;
    return counted ?? strings[key] ?? (n === undefined ? undefined : strings[`${key}.other`]);
  };
  return {
    locale,
    known: (key) => key in strings,
    t: (key, params) => fill(find(key, params) ?? key, params),
    word: (kind, code, params) => {
      const template = find(`${kind}.${code}`, params);
      return template === undefined ? readable(code) : fill(template, params);
    },
  };
}

const KEY = "staywell.locale";

export function preferredLocale(stored: string | null, languages: readonly string[]): Locale {
  if (stored === "en" || stored === "zh") return stored;
  const first = languages.find((tag) => /^(en|zh)\b/i.test(tag));
  return first?.toLowerCase().startsWith("zh") ? "zh" : "en";
}

const Context = createContext<I18n | null>(null);

export function I18nProvider({ catalogue, children }: { catalogue: Catalogue; children: ComponentChildren }) {
  const [locale, setLocale] = useState<Locale>(() => preferredLocale(recall(KEY), navigator.languages));
  useEffect(() => {
    document.documentElement.lang = locale === "zh" ? "zh-CN" : "en";
    remember(KEY, locale);
  }, [locale]);
  const value = useMemo<I18n>(
    () => ({ ...words(locale, catalogue[locale]), f: format(locale), setLocale }),
    [locale, catalogue],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

export function useI18n(): I18n {
  const value = useContext(Context);
  if (!value) throw new Error("I18nProvider is missing");
  return value;
}

/** localStorage that may be forbidden or full: preferences are then forgotten, nothing else. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // private mode or full storage
  }
}
