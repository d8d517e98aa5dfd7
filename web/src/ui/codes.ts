// Codes with a detail behind a colon, in words: actions ("offer:free-return@en") and why something was retrieved ("matched:kettle").
import type { I18n } from "./i18n.tsx";
import { oneLine } from "./text.ts";

const split = (code: string): [string, string] => {
  const at = code.indexOf(":");
  return at < 0 ? [code, ""] : [code.slice(0, at), code.slice(at + 1)];
};

/** "offer:free-return@en" → Offer: free-return@en */
export function actionInWords(i18n: I18n, action: string): string {
  const [kind, detail] = split(action);
  return detail ? `${i18n.word("action", kind)}: ${oneLine(detail, 60)}` : i18n.word("action", kind);
}

/** ["matched:kettle", "matched:leaks", "reason:quality"] → matches “kettle, leaks” · for quality */
export function whyInWords(i18n: I18n, codes: readonly string[]): string {
  const details = new Map<string, string[]>();
  for (const code of codes) {
    const [kind, detail] = split(code);
    const known = details.get(kind) ?? [];
    // A single letter that matched says nothing to a reader; a single Chinese character does.
    if (detail && !/^[\x20-\x7e]$/.test(detail)) known.push(kind === "reason" || kind === "band" ? i18n.word(kind, detail).toLocaleLowerCase() : oneLine(detail, 30));
    if (!detail || known.length) details.set(kind, known);
  }
  return [...details].map(([kind, values]) => {
    if (!values.length) return i18n.word("why", kind);
    const value = values.join(i18n.t("list_comma"));
    return i18n.known(`why.${kind}`) ? i18n.t(`why.${kind}`, { value }) : `${i18n.word("why", kind)}: ${value}`;
  }).join(" · ");
}

/** {dense: 0.71, intent: 0.92, sparse: 5.2} → asks for this 92% · close in meaning 71% · same words 5.2 */
export function sourcesInWords(i18n: I18n, sources: Readonly<Record<string, number>>): string {
  const { f } = i18n;
  // What says most comes first.
  const rank = ["intent", "dense", "history", "reason", "sparse"];
  return Object.entries(sources)
    .filter(([source, score]) => score > 0 || source === "dense")
    .sort(([a], [b]) => rank.indexOf(a) - rank.indexOf(b))
    .map(([source, score]) => {
      const word = i18n.word("retrieved", source);
      return source === "reason" ? word : `${word} ${source === "sparse" ? f.count(score, 1) : f.percent(Math.min(1, Math.max(0, score)))}`;
    })
    .join(" · ");
}
