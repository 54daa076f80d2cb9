/**
 * The site's accent for browsers without CSS relative colours: the same tokens as in css/tokens.css, computed here.
 * Hue stays; lightness and chroma are ours, so that every site stays readable.
 */

type Lch = [l: number, c: number, h: number];

/** OKLCH of `#rrggbb`. */
export function lch(hex: string): Lch {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  const a = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  const y = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  const h = Math.atan2(y, a) * 180 / Math.PI;
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, Math.hypot(a, y), h < 0 ? h + 360 : h];
}

const clamp = (low: number, value: number, high: number): number => Math.min(high, Math.max(low, value));

/** The accent's tokens (names without prefix) as `oklch()` values. */
export function tokens(hex: string, dark: boolean): Record<string, string> {
  const [l, c, h] = lch(hex);
  const bright = l > 0.72;
  const fill = bright ? Math.max(l, 0.8) : clamp(dark ? 0.47 : 0.36, l, 0.5);
  const colour = (light: number, chroma: number): string => `oklch(${light.toFixed(4)} ${chroma.toFixed(4)} ${h.toFixed(2)})`;
  return {
    accent: colour(fill, Math.min(c, 0.2)),
    "accent-hover": colour(fill - 0.05, Math.min(c, 0.2)),
    "on-accent": bright ? colour(0.22, 0.03) : "#fff",
    "accent-text": dark ? colour(clamp(0.78, l, 0.88), Math.min(c, 0.12)) : colour(clamp(0.32, l, 0.46), Math.min(c, 0.16)),
    "accent-soft": dark ? colour(0.28, Math.min(c, 0.04)) : colour(0.96, Math.min(c, 0.018)),
    own: dark ? colour(0.35, Math.min(c, 0.06)) : colour(0.925, Math.min(c, 0.036)),
  };
}
