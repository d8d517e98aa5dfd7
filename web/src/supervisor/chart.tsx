// A report as a picture: columns for counts, a line for everything else, over the days, weeks or months of the table below it.
// Colours are those of the theme; the table says the same in numbers, so screen readers are spared the picture.
import { useState } from "preact/hooks";
import { useWidth } from "../ui/hooks.ts";

const HEIGHT = 168;
const TOP = 10;
const BOTTOM = 22;
const GUTTER = 52;
/** As wide as a column gets. */
const WIDEST = 36;

export interface Point {
  label: string;
  value: number | null;
  /** The interval around the value. */
  low?: number | null;
  high?: number | null;
}

/** About three round steps from the least to the greatest value, zero among them for columns; whole ones for what is counted. */
export function ticks(values: readonly number[], fromZero: boolean, whole = false): number[] {
  const [least, most] = [Math.min(...values, ...(fromZero ? [0] : [])), Math.max(...values, ...(fromZero ? [0] : []))];
  const span = most - least || Math.abs(most) || 1;
  const power = 10 ** Math.floor(Math.log10(span / 3));
  const wanted = [1, 2, 5, 10].map((times) => times * power).find((one) => span / one <= 4) ?? 10 * power;
  const step = whole ? Math.max(1, wanted) : wanted;
  const first = Math.floor(least / step + 1e-9);
  const last = Math.ceil(most / step - 1e-9);
  return Array.from({ length: Math.max(1, last - first) + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Runs of neighbouring points that have a value. */
export function runs(points: readonly Point[]): number[][] {
  const found: number[][] = [];
  points.forEach((point, i) => {
    if (point.value === null) return;
    const last = found.at(-1);
    if (last && last.at(-1) === i - 1) last.push(i);
    else found.push([i]);
  });
  return found;
}

export function Chart({ points, columns, say }: { points: readonly Point[]; columns: boolean; say: (value: number) => string }) {
  const [box, width] = useWidth<HTMLDivElement>();
  const [near, setNear] = useState<number | null>(null);
  const values = points.flatMap((point) => [point.value, point.low ?? null, point.high ?? null]).filter((value): value is number => value !== null);
  if (values.length === 0) return null;
  const steps = ticks(values, columns || values.every((value) => value >= 0), columns);
  const [least, most] = [steps[0]!, steps.at(-1)!];
  const inner = Math.max(1, width - GUTTER - 8);
  const x = (i: number): number => GUTTER + (inner * (i + 0.5)) / points.length;
  const y = (value: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - least) / (most - least || 1));
  const wide = Math.min(WIDEST, (inner / points.length) * 0.7);
  const every = Math.max(1, Math.ceil(points.length / Math.max(2, Math.floor(inner / 96))));
  const shown = near === null ? null : points[near];
  return (
    <div class="chart" ref={box} aria-hidden="true" onPointerLeave={() => setNear(null)} onPointerMove={(event) => {
      const left = event.clientX - event.currentTarget.getBoundingClientRect().left - GUTTER;
      setNear(Math.min(points.length - 1, Math.max(0, Math.floor((left / inner) * points.length))));
    }}>
      {width > 0 && (
        <svg width={width} height={HEIGHT}>
          {steps.map((step) => <g key={step}><line class={step === 0 ? "axis" : "grid"} x1={GUTTER} x2={width - 8} y1={y(step)} y2={y(step)} /><text class="scale" x={GUTTER - 8} y={y(step) + 4}>{say(step)}</text></g>)}
          {points.map((point, i) => i % every === 0 && <text key={i} class="under" x={x(i)} y={HEIGHT - 5}>{point.label}</text>)}
          {near !== null && <line class="near" x1={x(near)} x2={x(near)} y1={TOP} y2={HEIGHT - BOTTOM} />}
          {columns && points.map((point, i) => point.value !== null && <rect key={i} class={i === near ? "column on" : "column"} x={x(i) - wide / 2} width={wide} y={Math.min(y(point.value), y(0))} height={Math.abs(y(point.value) - y(0))} rx="2" />)}
          {points.map((point, i) => typeof point.low === "number" && typeof point.high === "number" && <line key={i} class="whisker" x1={x(i)} x2={x(i)} y1={y(point.low)} y2={y(point.high)} />)}
          {!columns && runs(points).map((run) => <path key={run[0]} class="course" d={run.map((i, j) => `${j ? "L" : "M"}${x(i).toFixed(1)} ${y(points[i]!.value!).toFixed(1)}`).join("")} />)}
          {!columns && points.map((point, i) => point.value !== null && <circle key={i} class="spot" cx={x(i)} cy={y(point.value)} r={i === near ? 4.5 : points.length > 40 ? 0 : 3} />)}
        </svg>
      )}
      {shown && shown.value !== null && <p class={near! > points.length / 2 ? "chart-tip left" : "chart-tip"} style={`--at: ${x(near!)}px`}><b class="num">{say(shown.value)}</b> {shown.label}</p>}
    </div>
  );
}
