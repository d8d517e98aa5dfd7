const PATHS = {
  send: "M12 19V5M6 11l6-6 6 6",
  down: "M6 12h12",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20a7.5 7.5 0 0 1 15 0",
  newest: "M12 5v14M6 13l6 6 6-6",
  check: "m5 12 5 5 9-10",
};

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
