// When a conversation that is set aside should come back, in the agent's own time.

const MINUTE = 60_000;
const MORNING = 9;

/** Choices with the moment that each means. Mornings are of working days to come. */
export function snoozeMoments(now: number): (readonly [string, number])[] {
  const morning = (days: number): number => {
    const date = new Date(now);
    return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days, MORNING).getTime();
  };
  const toMonday = (8 - new Date(now).getDay()) % 7 || 7;
  return [
    ["half_hour", now + 30 * MINUTE],
    ["two_hours", now + 120 * MINUTE],
    ["tomorrow", morning(1)],
    ["monday", morning(toMonday)],
  ];
}
