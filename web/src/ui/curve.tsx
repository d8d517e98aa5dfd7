// The risk of a conversation, turn by turn. The same numbers stand in words beside each message, so the picture is one image to a
// screen reader, with its course in the label.
import { useI18n } from "./i18n.tsx";
import { useWidth } from "./hooks.ts";
import { cx } from "./parts.tsx";

export interface CurvePoint {
  seq: number;
  churn: number;
  low?: number | null | undefined;
  high?: number | null | undefined;
  band?: string | null | undefined;
}

export interface Moved {
  seq: number;
  delta: number;
}

/** The turn after which the risk had risen most, if by at least `least`. */
export function turnThatMoved(points: readonly CurvePoint[], least = 0.08): Moved | null {
  let found: Moved | null = null;
  for (let i = 1; i < points.length; i++) {
    const delta = points[i]!.churn - points[i - 1]!.churn;
    if (delta >= least && delta > (found?.delta ?? 0)) found = { seq: points[i]!.seq, delta };
  }
  return found;
}

export interface Thresholds {
  elevated: number;
  high: number;
}

const PAD = { x: 10, top: 8, bottom: 6 };

/** Marks by band: a triangle, a diamond, a disc; `r` is half their size. */
function mark(band: string | null | undefined, x: number, y: number, r: number): string {
  if (band === "high") return `M${x} ${y - r}L${x + r} ${y + r * 0.8}L${x - r} ${y + r * 0.8}Z`;
  if (band === "elevated") return `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z`;
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
}

export function RiskCurve({ points, thresholds, moved, height = 72, onPick }: {
  points: readonly CurvePoint[];
  thresholds?: Thresholds | null | undefined;
  moved?: Moved | null;
  height?: number;
  onPick?: (seq: number) => void;
}) {
  const { t, f } = useI18n();
  const [ref, width] = useWidth<HTMLDivElement>();
  const inner = Math.max(1, width - 2 * PAD.x);
  const x = (i: number): number => PAD.x + (points.length > 1 ? (i / (points.length - 1)) * inner : inner / 2);
  const y = (p: number): number => PAD.top + (1 - p) * (height - PAD.top - PAD.bottom);
  const line = points.map((point, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(point.churn).toFixed(1)}`).join("");
  const bounds = points.map((point) => [point.low ?? point.churn, point.high ?? point.churn] as const);
  const ribbon = points.length > 1
    ? `${bounds.map(([, high], i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(high).toFixed(1)}`).join("")}${bounds.map(([low], i) => `L${x(i).toFixed(1)} ${y(low).toFixed(1)}`).reverse().join("")}Z`
    : "";
  const last = points.at(-1);
  const tone = last?.band === "high" ? "high" : last?.band === "elevated" ? "mid" : "low";
  const label = t("curve.label", { course: points.map((point) => f.probability(point.churn)).join(", ") });
  // Beyond a mark every 12 px only the first, the last, the turn that moved it and changes of band are marked.
  const crowded = points.length > inner / 12;
  return (
    <div class="curve-box" ref={ref}>
      {width > 0 && (
        <svg width={width} height={height} role="img" aria-label={label} class={cx("curve", tone)}>
          {thresholds && (
            <>
              <line x1={PAD.x} x2={width - PAD.x} y1={y(thresholds.high)} y2={y(thresholds.high)} class="threshold high" />
              <line x1={PAD.x} x2={width - PAD.x} y1={y(thresholds.elevated)} y2={y(thresholds.elevated)} class="threshold mid" />
            </>
          )}
          <path d={ribbon} class="ribbon" />
          <path d={line} class="course" />
          {points.map((point, i) => {
            const turning = point.seq === moved?.seq;
            if (crowded && !turning && i && i < points.length - 1 && points[i - 1]!.band === point.band) return null;
            return (
              <path
                key={point.seq}
                d={mark(point.band, x(i), y(point.churn), turning ? 6.5 : 4)}
                class={cx("mark", point.band === "high" ? "high" : point.band === "elevated" ? "mid" : "low", turning && "turning", onPick && "pick")}
                onClick={onPick && (() => onPick(point.seq))}
              >
                <title>{t("curve.point", { n: i + 1, risk: f.probability(point.churn) })}</title>
              </path>
            );
          })}
        </svg>
      )}
    </div>
  );
}

/** A small line of values, for a tile. */
export function Spark({ values, label }: { values: readonly number[]; label: string }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const height = 28;
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const spread = most - least || 1;
  const line = values
    .map((value, i) => `${i ? "L" : "M"}${((i / Math.max(1, values.length - 1)) * (width - 4) + 2).toFixed(1)} ${(height - 3 - ((value - least) / spread) * (height - 6)).toFixed(1)}`)
    .join("");
  return (
    <div class="spark" ref={ref}>
      {width > 0 && <svg width={width} height={height} role="img" aria-label={label}><path d={line} class="course" /></svg>}
    </div>
  );
}
