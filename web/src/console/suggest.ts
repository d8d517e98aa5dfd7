// Suggestions as one numbered list: scripts first, then products. The number is the key that inserts one.
import type { Bundle, ProductSuggestion, ScriptSuggestion } from "../ui/bundle.ts";
import type { Format } from "../ui/format.ts";
import { neutralise } from "../ui/text.ts";
import type { Draft } from "./state.ts";

export type Suggested =
  | { is: "script"; key: string; id: string; title: string; text: string; script: ScriptSuggestion }
  | { is: "product"; key: string; id: string; title: string; text: string; product: ProductSuggestion };

export function suggested(bundle: Bundle | null, f: Format): Suggested[] {
  if (!bundle) return [];
  const scripts: Suggested[] = bundle.suggestions.scripts.map((script) => ({
    is: "script", key: "", id: script.id, title: script.title, text: neutralise(script.text).text, script,
  }));
  const products: Suggested[] = bundle.suggestions.products.map((product) => ({
    is: "product", key: "", id: product.id, title: product.title, text: productText(product, f), product,
  }));
  return [...scripts, ...products].map((item, i) => ({ ...item, key: i < 9 ? String(i + 1) : "" }));
}

export function productText(product: ProductSuggestion, f: Format): string {
  return `${neutralise(product.title).text} · ${f.money(product.price, product.currency)}`;
}

/** The draft with a suggestion in it. A product goes behind what is written; a script takes the place of an unchanged one. */
export function insert(draft: Draft, item: Suggested): Draft {
  const unchanged = draft.from !== null && draft.text === draft.from.text;
  const before = unchanged || !draft.text.trim() || draft.text.startsWith("/") ? "" : `${draft.text.trimEnd()}\n`;
  const text = before + item.text;
  return { text, mode: "reply", from: { id: item.id, text: item.text } };
}

/** What to log about where a message came from: nothing, a suggestion as it was, or one that was edited. */
export function provenance(draft: Draft, body: string): { id: string; edited: boolean } | null {
  return draft.from && { id: draft.from.id, edited: body.trim() !== draft.from.text.trim() };
}

/** Suggestions whose title or text has all words of what follows the slash. */
export function matching(items: readonly Suggested[], typed: string): Suggested[] {
  const wanted = typed.replace(/^\//, "").toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return items.filter((item) => {
    const text = `${item.title} ${item.text}`.toLocaleLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}
