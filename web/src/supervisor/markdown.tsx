// A model's card as it stands in its folder: headings, lists, tables and paragraphs of Markdown, as text. Nothing in it becomes a link,
// a picture or markup.
import type { ComponentChildren } from "preact";
import { neutralise } from "../ui/text.ts";

export type Block =
  | { is: "heading"; level: number; text: string }
  | { is: "list"; items: string[] }
  | { is: "table"; head: string[]; rows: string[][] }
  | { is: "text"; text: string };

const cells = (line: string): string[] => line.replace(/^\s*\||\|\s*$/g, "").split("|").map((cell) => cell.trim());
const RULE = /^\s*\|?[\s:|-]+\|?\s*$/;

/** The blocks of a card; lines of a paragraph or of an item belong together. */
export function blocks(markdown: string): Block[] {
  const found: Block[] = [];
  let open: Block | null = null;
  for (const line of neutralise(markdown).text.split("\n")) {
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    const item = /^\s*[-*]\s+(.*)$/.exec(line);
    if (!line.trim()) {
      open = null;
    } else if (heading) {
      found.push({ is: "heading", level: heading[1]!.length, text: heading[2]! });
      open = null;
    } else if (line.trimStart().startsWith("|")) {
      if (open?.is !== "table") found.push((open = { is: "table", head: cells(line), rows: [] }));
      else if (!RULE.test(line)) open.rows.push(cells(line));
    } else if (item) {
      if (open?.is !== "list") found.push((open = { is: "list", items: [] }));
      open.items.push(item[1]!);
    } else if (open?.is === "list") {
      open.items[open.items.length - 1] += ` ${line.trim()}`;
    } else if (open?.is === "text") {
      open.text += ` ${line.trim()}`;
    } else {
      found.push((open = { is: "text", text: line.trim() }));
    }
  }
  return found;
}

/** `code` and **strong** in a line. */
function inline(text: string): ComponentChildren {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part, i) => {
    if (part.length > 2 && part.startsWith("`") && part.endsWith("`")) return <code key={i}>{part.slice(1, -1)}</code>;
    if (part.length > 4 && part.startsWith("**") && part.endsWith("**")) return <b key={i}>{part.slice(2, -2)}</b>;
    return part;
  });
}

export function Markdown({ text, label }: { text: string; label: string }) {
  return (
    <div class="card-text" dir="auto" lang="en" tabIndex={0} role="group" aria-label={label}>
      {blocks(text).map((block, i) => {
        switch (block.is) {
          case "heading":
            return block.level < 3 ? <h4 key={i}>{inline(block.text)}</h4> : <h5 key={i}>{inline(block.text)}</h5>;
          case "list":
            return <ul key={i}>{block.items.map((item, j) => <li key={j}>{inline(item)}</li>)}</ul>;
          case "table":
            return (
              <table key={i}>
                <thead><tr>{block.head.map((cell, j) => <th key={j} scope="col">{inline(cell)}</th>)}</tr></thead>
                <tbody>{block.rows.map((row, j) => <tr key={j}>{row.map((cell, k) => <td key={k}>{inline(cell)}</td>)}</tr>)}</tbody>
              </table>
            );
          default:
            return <p key={i}>{inline(block.text)}</p>;
        }
      })}
    </div>
  );
}
