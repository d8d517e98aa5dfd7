// Colleagues named in a note: what is being typed behind an @, and who is named in the end.
import type { TeamMember } from "../protocol/gen.ts";

/** What stands behind an @ up to the cursor, and where the @ is; null where no colleague is being named. An address is none. */
export function askedFor(text: string, cursor: number): { at: number; typed: string } | null {
  const found = /(?<![\w.])@([^\s@]*)$/.exec(text.slice(0, cursor));
  return found && { at: found.index, typed: found[1]! };
}

/** Colleagues with a part of the name that begins with what was typed. */
export function colleagues(team: readonly TeamMember[], typed: string): TeamMember[] {
  const wanted = typed.toLocaleLowerCase();
  return team.filter(({ name }) => name.toLocaleLowerCase().split(/\s+/).some((part) => part.startsWith(wanted)));
}

/** The text with the name in place of what was typed, and where the cursor goes. */
export function complete(text: string, cursor: number, at: number, name: string): { text: string; cursor: number } {
  const before = `${text.slice(0, at)}@${name} `;
  return { text: before + text.slice(cursor).replace(/^ /, ""), cursor: before.length };
}

/** Ids of the colleagues whose whole name stands behind an @. Of two names the longer one is meant: @Ann Lee is not Ann. */
export function named(text: string, team: readonly TeamMember[]): string[] {
  const ids: string[] = [];
  let left = text;
  for (const name of [...new Set(team.map((one) => one.name))].sort((a, b) => b.length - a.length)) {
    const parts = left.split(new RegExp(`(?<![\\w.])@${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w\\u00c0-\\u024f])`));
    if (parts.length < 2) continue;
    left = parts.join("\n");
    ids.push(...team.filter((one) => one.name === name).map((one) => one.id));
  }
  return ids;
}
