/**
 * A line beside the launcher that speaks first, by page and time; by risk too where the server decides. Loaded only where a page has
 * rules or calls `Staywell.nudge`.
 *
 * `<staywell-chat proactive='[{"page": "/cart*", "after": 20, "text": {"en": "Anything unclear?", "zh": "有什么可以帮您？"}}]'>`
 */

/** What the element offers to this module. */
export interface Launcher extends HTMLElement {
  readonly site: string;
  readonly locale: string;
  readonly isOpen: boolean;
  open(): void;
  vouched(): Promise<string | undefined>;
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

/** Whether this visit was spoken to, as far as the page may remember that; `now`: it is from now on. */
function spoken(site: string, now = false): boolean {
  try {
    const name = `staywell:${site}:nudged`;
    if (now) sessionStorage.setItem(name, "1");
    return !!sessionStorage.getItem(name);
  } catch {
    return false;
  }
}

/** Says a rule's text, once a visit, to somebody who has not opened the chat. */
function speak(host: Launcher, text: string): void {
  if (host.isOpen || !host.isConnected || spoken(host.site)) return;
  spoken(host.site, true);
  nudge(host, text);
}

const seconds = (n: number) => new Promise((done) => setTimeout(done, n * 1000));

/** What the server says: a text to say now, or after how many seconds on the page to ask again; or neither. */
type Answer = { text?: string; after?: number };

/** Asks the server, which alone knows the rules and the customer, for a text, or when to ask again. */
async function ask(host: Launcher): Promise<void> {
  const began = Date.now();
  while (!host.isOpen && host.isConnected && !spoken(host.site)) {
    const waited = Math.round((Date.now() - began) / 1000);
    // Where consent comes first, nobody is named before it was given.
    const identity = host.hasAttribute("privacy") ? undefined : await host.vouched();
    const body = JSON.stringify({ site: host.site, page: location.pathname, locale: host.locale, waited, identity });
    const url = new URL("/api/widget/nudge", import.meta.url);
    const { text, after } = await fetch(url, { method: "POST", credentials: "omit", body }).then(
      (response): Promise<Answer> | Answer => (response.ok ? response.json() : {}),
      (): Answer => ({}),
    );
    if (typeof text === "string") speak(host, text);
    if (typeof after !== "number") return;
    await seconds(Math.max(1, after - waited));
  }
}

/** Waits for the first rule that fits: one of the page's own, or, where it says `site`, of those that the server keeps. */
export function start(host: Launcher, rules: string): void {
  if (rules.trim() === "site") return void ask(host);
  for (const rule of readRules(rules)) {
    if (!matches(rule.page ?? "*", location.pathname)) continue;
    void seconds(rule.after ?? 0).then(() => speak(host, inLanguage(rule.text, host.locale)));
  }
}
