/** Applies the shop's theme. Which ink is readable on its colour is worked out in chat.css. */
import type { Look } from "./bridge.ts";

export function paint({ theme, accent, font }: Look): void {
  const { style, dataset } = document.documentElement;
  const set = (name: string, property: string, value: string) =>
    style.setProperty(name, CSS.supports(property, value) ? value : "");
  dataset.theme = theme;
  set("--brand", "color", accent);
  set("--font", "font-family", font);
  dataset.brand = style.getPropertyValue("--brand") && "own";
}
