/** What may become a link or a picture, and how text is shown. Everything else of a message is text. */

/** Controls, bidi marks, tags and fillers, which reorder or hide text; line breaks, tabs and joiners have a use. */
const HIDDEN = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\u2028\u2029\u115f\u1160\u3164\uffa0]/gu;
const MARKS = /(\p{M}{4})\p{M}+/gu;

/** A text without what could make it lie, and with at most four marks on a letter. The stored message stays as it is. */
export const shown = (text: string): string => text.replace(HIDDEN, "").replace(MARKS, "$1");

/** A name on one line and of bounded length, or the fallback. */
export const cleanName = (text: string | null | undefined, fallback = ""): string =>
  shown(text ?? "").replace(/\s+/g, " ").trim().slice(0, 80) || fallback;

/** `address` against `base` if it is http(s) and of one of the `origins`, else null. */
export function ownAddress(address: string | null, base: string, origins: readonly string[]): string | null {
  if (address === null) return null;
  try {
    const url = new URL(address, base);
    const web = url.protocol === "https:" || url.protocol === "http:";
    return web && !url.username && !url.password && origins.includes(url.origin) ? url.href : null;
  } catch {
    return null;
  }
}

export type Piece = { text: string; href: string | null };

const ADDRESS = /https?:\/\/[^\s<>"'，。；！？）】]+/g;

/** A text in pieces, those that are addresses of the `origins` with a href. */
export function pieces(text: string, origins: readonly string[]): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(/[.,;:!?)\]]+$/, "");
    const href = ownAddress(address, address, origins);
    if (!href) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index), href: null });
    found.push({ text: address, href });
    end = match.index + address.length;
  }
  if (end < text.length) found.push({ text: text.slice(end), href: null });
  return found;
}
