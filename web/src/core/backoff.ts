const LEAST = 500;
const MOST = 30_000;

/** Full-jitter back-off in milliseconds: uniform between 0.5 s and min(30 s, 1 s · 2^attempt). */
export function backoff(attempt: number, draw: number): number {
  const ceiling = Math.min(MOST, 2 * LEAST * 2 ** Math.min(attempt, 16));
  return Math.round(LEAST + draw * (ceiling - LEAST));
}
