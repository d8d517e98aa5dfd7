/**
 * A line beside the launcher that speaks first, by page and time. Loaded only where a page has rules or calls `Staywell.nudge`.
 *
 * `<staywell-chat proactive='[{"page": "/cart*", "after": 20, "text": {"en": "Anything unclear?", "zh": "有什么可以帮您？"}}]'>`
 */

/** What the element offers to this module. */
export interface Launcher extends HTMLElement {
  readonly site: string;
  readonly locale: string;
  readonly isOpen: boolean;
  open(): void;
  emit(name: string, detail?: Record<string, unknown>): void;
}

export interface Rule {
  /** Path of the page, with * for any characters; without it every page. */
  page?: string;
  /** Seconds on the page before it speaks. */
  after?: number;
  /** The text by language; the first is for all others. */
  text: Record<string, string>;
}

const style = `
.nudge{position:fixed;inset-block-end:calc(var(--_y) + 68px);inset-inline-end:var(--_x);max-inline-size:min(300px,calc(100vw - 2*var(--_x)));display:flex;align-items:start;background:var(--_p);color:light-dark(#171b22,#eef1f5);border:1px solid var(--_l);border-radius:14px;border-end-end-radius:4px;box-shadow:0 8px 24px rgb(0 0 0/20%);animation:in .2s}
:host([side=start]) .nudge{inset-inline:var(--_x) auto}
.nudge button{padding:12px;background:none;color:inherit;text-align:start;border-radius:12px;overflow-wrap:anywhere}
`;
const LEAVE = { en: "Dismiss", zh: "关闭提示" };

/** A pattern of a rule as a test of paths. */
export function matches(pattern: string, path: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(path);
}

/** The text in a language, or the first there is. */
export function inLanguage(text: Readonly<Record<string, string>>, locale: string): string {
  return text[locale] ?? text[locale.split("-")[0] ?? ""] ?? Object.values(text)[0] ?? "";
}

/** The rules that are well formed; the others are left out. */
export function readRules(json: string): Rule[] {
  try {
    const rules: unknown = JSON.parse(json);
    return Array.isArray(rules) ? rules.filter((rule) => typeof rule?.text === "object" && rule.text !== null) : [];
  } catch {
    return [];
  }
}

/** Shows a line; pressing it opens the chat. Nothing while the chat is open. */
export function nudge(host: Launcher, text: string): void {
  const root = host.shadowRoot;
  if (!root || host.isOpen || !text.trim()) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  if (!root.querySelector(".nudge")) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  root.querySelector(".nudge")?.remove();
  const box = document.createElement("div");
  box.className = "nudge";
  box.setAttribute("part", "nudge");
  box.setAttribute("role", "status");
  const button = (label: string, pressed: () => void) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.onclick = pressed;
    box.append(made);
    return made;
  };
  button(text, () => host.open());
  button("✕", () => {
    box.remove();
    root.querySelector<HTMLElement>(".launch")?.focus();
  }).setAttribute("aria-label", inLanguage(LEAVE, host.locale));
  host.addEventListener("staywell:open", () => box.remove(), { once: true });
  root.append(box);
  host.emit("nudge", { text });
}

/** Whether this visit is spoken to for the first time, as far as the page may remember that. */
function isFirst(site: string): boolean {
  try {
    const name = `staywell:${site}:nudged`;
    const first = !sessionStorage.getItem(name);
    sessionStorage.setItem(name, "1");
    return first;
  } catch {
    return true;
  }
}

/** Waits for the first rule that fits; a visit is spoken to once. */
export function start(host: Launcher, json: string): void {
  for (const rule of readRules(json)) {
    if (!matches(rule.page ?? "*", location.pathname)) continue;
    setTimeout(() => {
      if (host.isOpen || !host.isConnected || !isFirst(host.site)) return;
      nudge(host, inLanguage(rule.text, host.locale));
    }, (rule.after ?? 0) * 1000);
  }
}
