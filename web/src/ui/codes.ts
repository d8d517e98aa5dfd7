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

/** "reason:quality" → for quality */
export function whyInWords(i18n: I18n, code: string): string {
  const [kind, detail] = split(code);
  if (!detail) return i18n.word("why", kind);
  const value = kind === "reason" || kind === "band" ? i18n.word(kind, detail).toLocaleLowerCase() : oneLine(detail, 30);
  return i18n.known(`why.${kind}`) ? i18n.t(`why.${kind}`, { value }) : `${i18n.word("why", kind)}: ${value}`;
}
