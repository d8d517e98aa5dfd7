/** What a pure step may not make itself: the time and chance. */
export interface Env {
  /** UTC milliseconds. */
  readonly now: number;
  /** Uniform in [0, 1). */
  readonly draw: number;
}
