/** Applies the shop's theme, with an eye on contrast: its colour may be any, what is written on it must be readable. */
import type { Look } from "./bridge.ts";

type Rgb = readonly [number, number, number];

/** Relative luminance, WCAG 2.2. */
export function luminance([r, g, b]: Rgb): number {
  const linear = (c: number) => (c <= 0.04045 * 255 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

export function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const WHITE: Rgb = [255, 255, 255];
const INK: Rgb = [13, 18, 32];

/** The colour moved towards `to` until it reaches 4.5:1 on `ground`. */
export function readable(color: Rgb, ground: Rgb, to: Rgb): Rgb {
  let shade = color;
  for (let i = 0; i < 20 && contrast(shade, ground) < 4.5; i += 1) {
    shade = shade.map((c, k) => Math.round(c + ((to[k] as number) - c) * 0.12)) as unknown as Rgb;
  }
  return shade;
}

const css = ([r, g, b]: Rgb): string => `rgb(${r} ${g} ${b})`;

/** A CSS colour as the browser computes it, or null if it is none or see-through. */
function rgb(color: string): Rgb | null {
  const context = document.createElement("canvas").getContext("2d");
  if (!CSS.supports("color", color) || !context) return null;
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0, a] = context.getImageData(0, 0, 1, 1).data;
  return a === 255 ? [r, g, b] : null;
}

export function paint({ theme, accent, font }: Look): void {
  const { style, dataset } = document.documentElement;
  if (theme === "light" || theme === "dark") dataset.theme = theme;
  else delete dataset.theme;
  const color = accent ? rgb(accent) : null;
  const set = (name: string, value: string | null) => (value ? style.setProperty(name, value) : style.removeProperty(name));
  const ink = color && (contrast(color, WHITE) >= 4.5 ? WHITE : INK);
  const pair = color && `light-dark(${css(readable(color, WHITE, INK))}, ${css(readable(color, [23, 27, 33], WHITE))})`;
  set("--accent", pair);
  set("--accent-ink", color && "light-dark(#fff, #0d1220)");
  set("--me", color && css(color));
  set("--me-ink", ink && css(ink));
  set("--font", font && CSS.supports("font-family", font) ? font : null);
}
