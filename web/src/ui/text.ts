// What strangers write is shown as text, and text can lie: bidirectional overrides reorder it, zero-width characters and tags hide in
// it, towers of combining marks paint over their neighbours. The stored message stays as it is; only what is shown is made safe.

/** Controls but tab and line feed, bidi marks, embeddings and isolates, zero-width characters, invisible tags, interlinear marks. */
const HIDDEN =
  // eslint-disable-next-line no-control-regex, no-misleading-character-class
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{1d173}-\u{1d17a}]|[\u{e0000}-\u{e007f}]/gu;
/** A joiner is wanted between emoji and in Indic or Persian words, and hides something anywhere else. */
const LOOSE_JOINER = /(?<![\p{Extended_Pictographic}\p{M}\p{L}\u{1f3fb}-\u{1f3ff}])[\u200c\u200d]|[\u200c\u200d](?![\p{Extended_Pictographic}\p{L}])/gu;
/** Two marks on a letter are enough for the languages of the world that stack them most. */
const MARKS = /(\p{M}{2})\p{M}+/gu;
/** Words longer than this are no words; they get places to break. */
const LONGEST_NAME = 80;

export interface Shown {
  text: string;
  /** How many characters were taken out or capped. */
  hidden: number;
}

/** The text as it may be shown, and how much was hidden in it. */
export function neutralise(raw: string): Shown {
  const text = raw.replace(/\r\n?/g, "\n").replace(HIDDEN, "").replace(LOOSE_JOINER, "").replace(MARKS, "$1");
  return { text, hidden: [...raw.replace(/\r\n?/g, "\n")].length - [...text].length };
}

/** One line for lists and headings: neutralised, without line breaks, and of bounded length. */
export function oneLine(raw: string, longest = 240): string {
  const line = neutralise(raw).text.replace(/\s+/g, " ").trim();
  const points = [...line];
  return points.length > longest ? `${points.slice(0, longest - 1).join("")}…` : line;
}

/** A display name of bounded length; never empty when a fallback is given. */
export function displayName(raw: string | null | undefined, fallback = ""): string {
  return (raw && oneLine(raw, LONGEST_NAME)) || fallback;
}

/** A code made readable, for codes that nobody has written words for. */
export function readable(code: string): string {
  const words = oneLine(code, 120).replace(/[_.:/-]+/g, " ").trim();
  return words ? words[0]!.toUpperCase() + words.slice(1) : "—";
}

/** A picture's address if it is one of our own; anything else is never loaded. */
export function ownImage(address: string | null | undefined): string | null {
  return address && /^\/(?![/\\])[\w./-]*$/.test(address) && !address.includes("..") ? address : null;
}
