/** Reads a frame of the server: JSON whose tag is known and whose fields have their declared types, or null. */

/**
 * Fields of each frame by its tag, which is in lower case, and of each object inside by its Name: "name:code" or "name?:code" with a
 * comma between. Codes: s n b o a for a string, number, boolean, object, list; @Name and *Name for one and for a list of such; x.
 */
export type Shapes = Readonly<Record<string, string>>;

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
  return (shapes[definition] ?? "").split(",").every((field) => {
    if (!field) return true;
    const [key = "", code = ""] = field.split(":");
    const optional = key.endsWith("?");
    const found = value[optional ? key.slice(0, -1) : key] ?? null;
    return found === null ? optional : fits(shapes, found, code);
  });
}

/** The value as a frame of type F if it is one, else null: unknown tags of a newer peer are passed over. */
export function checked<F>(shapes: Shapes, value: unknown): F | null {
  if (!isFields(value) || typeof value.t !== "string" || !/^[a-z]/.test(value.t) || !Object.hasOwn(shapes, value.t)) return null;
  return fitsFields(shapes, value, value.t) ? (value as F) : null;
}

/** As `checked`, of JSON text. */
export function decode<F>(shapes: Shapes, text: string): F | null {
  try {
    return checked(shapes, JSON.parse(text));
  } catch {
    return null;
  }
}
