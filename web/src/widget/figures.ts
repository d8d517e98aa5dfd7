/** Dates, amounts of money and languages as a language writes them. */

export const dateIn = (tag: string, at: number): string =>
  new Intl.DateTimeFormat(tag, { day: "numeric", month: "short", year: "numeric" }).format(at);

/** Integer minor units as an amount of money; an unknown currency is written behind the figure. */
export function moneyIn(tag: string, minor: number, currency: string): string {
  try {
    const style = { style: "currency", currency, currencyDisplay: "narrowSymbol", trailingZeroDisplay: "stripIfInteger" } as const;
    const amount = new Intl.NumberFormat(tag, style);
    return amount.format(minor / 10 ** (amount.resolvedOptions().maximumFractionDigits ?? 2));
  } catch {
    return `${minor / 100} ${currency}`;
  }
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
