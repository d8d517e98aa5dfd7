// Line icons on a 20 px grid, drawn for this project.

const PATHS = {
  close: "M5 5l10 10M15 5L5 15",
  search: "M9 4a5 5 0 1 1 0 10a5 5 0 0 1 0-10M13 13l4 4",
  check: "M4 10.5l4 4l8-9",
  chat: "M4 4.5h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H9l-4 3v-3H4a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1z",
  queue: "M4 5h12M4 10h12M4 15h7",
  person: "M10 4a3 3 0 1 1 0 6a3 3 0 0 1 0-6M4.5 16.5c.7-3 2.8-4.5 5.5-4.5s4.800 1.5 5.500 4.500",
  note: "M5 3.500h7l3.500 3.500v9.500h-10.500zM12 3.500v3.500h3.500M7.500 10.500h5M7.500 13.500h5",
  copy: "M7.500 7.500h8v8h-8zM12.500 7.500v-3h-8v8h3",
  send: "M3.500 10L16.500 4L12.500 16.500L9.500 11.500zM9.500 11.500l7-7.500",
  back: "M12 4.500L6.500 10l5.500 5.500",
  down: "M5 7.500l5 5l5-5",
  eye: "M2.500 10c2-3.500 4.500-5 7.500-5s5.500 1.500 7.500 5c-2 3.500-4.500 5-7.500 5s-5.500-1.500-7.500-5zM10 8a2 2 0 1 1 0 4a2 2 0 0 1 0-4",
  warn: "M10 3.500L17.500 16.500H2.500zM10 8v4M10 14.200v.1",
  gear: "M4 6h6M14 6h2M4 14h2M10 14h6M12 4v4M8 12v4",
  download: "M10 3.500v9M6 9l4 4l4-4M4 16.500h12",
  chart: "M3.500 16.500h13M5.500 13.500v-4M10 13.500v-9M14.500 13.500v-6",
  bot: "M5 7.500h10v7.500H5zM10 7.500V4.500M7.800 11v.5M12.200 11v.5M3 10v2.500M17 10v2.500",
  filter: "M3.500 5h13l-5 6v5l-3-1.500V11z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}

/** The mark: a cup that stays. */
export function Logo() {
  return (
    <span class="logo">
      <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
        <rect width="20" height="20" rx="6" fill="var(--accent)" />
        <path d="M5.500 6.500v3a4.500 4.500 0 0 0 9 0v-3" fill="none" stroke="var(--accent-ink)" stroke-width="2.200" stroke-linecap="round" />
      </svg>
      <span>Staywell</span>
    </span>
  );
}
