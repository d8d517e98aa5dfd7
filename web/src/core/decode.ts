/** Reads a frame of the server: JSON whose tag is known and whose fields have their declared types, or null. */

export interface Shapes {
  /** Definition of a frame by its `t`. */
  readonly tags: Readonly<Record<string, string>>;
  /** Fields of a definition, "name:code" or "name?:code" with a comma between; codes: s n b o a, @Name, *Name, x. */
  readonly fields: Readonly<Record<string, string>>;
}

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function fits(shapes: Shapes, value: unknown, code: string): boolean {
  const name = code.slice(1);
  switch (code[0]) {
    case "s":
      return typeof value === "string";
    case "n":
      return Number.isFinite(value);
    case "b":
      return typeof value === "boolean";
    case "o":
      return isFields(value);
    case "a":
      return Array.isArray(value);
    case "@":
      return isFields(value) && fitsFields(shapes, value, name);
    case "*":
      return Array.isArray(value) && value.every((item) => isFields(item) && fitsFields(shapes, item, name));
    default:
      return true;
  }
}

function fitsFields(shapes: Shapes, value: Fields, definition: string): boolean {
  return (shapes.fields[definition] ?? "").split(",").every((field) => {
    if (!field) return true;
    const [key = "", code = ""] = field.split(":");
    const optional = key.endsWith("?");
    const found = value[optional ? key.slice(0, -1) : key] ?? null;
    return found === null ? optional : fits(shapes, found, code);
  });
}

/** A checked frame of type F, or null for text that is not one: unknown tags of a newer server are passed over. */
export function decode<F>(shapes: Shapes, text: string): F | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isFields(value) || typeof value.t !== "string" || !Object.hasOwn(shapes.tags, value.t)) return null;
  return fitsFields(shapes, value, shapes.tags[value.t] as string) ? (value as F) : null;
}
