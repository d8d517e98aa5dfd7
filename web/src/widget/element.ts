/**
 * `<staywell-chat site="KEY">`: the launcher in a shadow root and, once opened, the chat in an iframe of our own origin.
 *
 * Attributes: site, locale, theme (auto, light, dark), side (end, start), launcher (none hides it), privacy, ask, proactive, hidden; see docs/embed.md.
 * Custom properties: --staywell-accent, --staywell-font, --staywell-offset-x, --staywell-offset-y, --staywell-z.
 * Parts: launcher, badge, panel, nudge. Events: see docs/embed.md, each `staywell:<name>`, bubbling.
 */
import { type Look, readToHost, type ToChat, type ToHost, type Words } from "./bridge.ts";
import { style } from "./launcher-style.ts";
import { type LauncherWords, launcherWords } from "./launcher-words.ts";

/** Where this script came from is where the chat lives. */
const ORIGIN = new URL(import.meta.url).origin;
/** A chat that has not reported by then is shown as unreachable. */
const READY_MS = 15_000;
const SMALL = "(max-width:480px),(max-height:480px)";

/** Speaking first is a script of its own, for the pages that do. */
const proactive = (): Promise<typeof import("./proactive.ts")> => import(`${ORIGIN}/proactive.js`);

type Identity = string | (() => string | Promise<string>);

const ICONS = {
  talk: "M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2Z",
  down: "m6 9 6 6 6-6",
};

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function icon(name: keyof typeof ICONS): SVGElement {
  const draw = (tag: string) => document.createElementNS("http://www.w3.org/2000/svg", tag) as SVGElement;
  const svg = draw("svg");
  const path = draw("path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", name);
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export class StaywellChat extends HTMLElement {
  static readonly observedAttributes = ["locale", "theme", "launcher"];

  #built = false;
  #launch = make("button", { type: "button", class: "launch", part: "launcher", "aria-haspopup": "dialog", "aria-expanded": "false" });
  #badge = make("span", { class: "badge", part: "badge", hidden: "" });
  #panel = make("div", { class: "panel", part: "panel", role: "dialog", hidden: "" });
  #wait = make("div", { class: "wait", role: "status" });
  #status = make("span", { class: "quiet", role: "status" });
  #frame: HTMLIFrameElement | null = null;
  #ready = false;
  #timer = 0;
  #queue: ToChat[] = [];
  #words: Words | undefined;
  #identity: Identity | null = null;
  #jwt: string | undefined;
  #vouched: Promise<void> | undefined;
  #unread = 0;
  #overflow = "";

  get site(): string {
    return this.getAttribute("site") ?? "";
  }

  get locale(): string {
    return this.getAttribute("locale") ?? (document.documentElement.lang || navigator.language);
  }

  get isOpen(): boolean {
    return !this.#panel.hidden;
  }

  /** What a visit remembers from page to page; storage may be forbidden. */
  #visit(key: "open" | "active", on?: boolean): boolean {
    try {
      const name = `staywell:${this.site}:${key}`;
      if (on !== undefined) sessionStorage.setItem(name, on ? "1" : "");
      return !!sessionStorage.getItem(name);
    } catch {
      return false;
    }
  }

  connectedCallback(): void {
    if (!this.#built) this.#build();
    addEventListener("message", this.#onMessage);
    for (const name of ["resize", "scroll"]) visualViewport?.addEventListener(name, this.#fit);
    if (this.#visit("open") && !matchMedia(SMALL).matches) this.open({ focus: false });
    else if (this.#visit("active")) setTimeout(() => this.#load(), 1500);
    const rules = this.getAttribute("proactive");
    if (rules) void proactive().then(({ start }) => start(this, rules));
  }

  disconnectedCallback(): void {
    this.close();
    this.#unload();
    removeEventListener("message", this.#onMessage);
    for (const name of ["resize", "scroll"]) visualViewport?.removeEventListener(name, this.#fit);
  }

  attributeChangedCallback(name: string): void {
    if (!this.#built) return;
    if (name === "locale") this.#tell({ t: "locale", locale: this.locale });
    if (name === "theme") this.#tell({ t: "look", look: this.#look() });
    this.#render();
  }

  open({ focus = true, text }: { focus?: boolean; text?: string } = {}): void {
    this.#load();
    if (!this.isOpen) {
      this.#panel.hidden = false;
      this.#panel.classList.add("show");
      this.#visit("open", true);
      this.#fit();
      this.emit("open");
    }
    if (text) this.#tell({ t: "compose", body: text });
    this.#tell({ t: "shown", shown: true, focus });
    if (focus && this.#ready) this.#frame?.focus();
    this.#render();
  }

  close(): void {
    if (!this.isOpen) return;
    const back = this.shadowRoot?.activeElement === this.#frame || this.#panel.contains(this.shadowRoot?.activeElement ?? null);
    this.#panel.hidden = true;
    this.#visit("open", false);
    this.#tell({ t: "shown", shown: false, focus: false });
    this.#fit();
    this.#render();
    if (back) this.#launch.focus();
    this.emit("close");
  }

  /** Says who the customer is: the shop's signed JWT, a function that fetches one, or null for a guest. */
  identify(identity: Identity | null): void {
    this.#identity = identity;
    // A function is asked only when there is a chat that needs the answer.
    if (typeof identity !== "function" || this.#frame) this.#vouched = this.#vouch();
  }

  /** The shop's statement of who the customer is, made anew where the shop gave a function for it. */
  async vouched(): Promise<string | undefined> {
    await (this.#vouched = this.#vouch());
    return this.#jwt;
  }

  /** Strings of a locale, by key. */
  words(words: Words): void {
    this.#words = words;
    this.#tell({ t: "words", words });
    this.#render();
  }

  /** Shows a line beside the launcher. */
  async nudge(text: string): Promise<void> {
    (await proactive()).nudge(this, text);
  }

  emit(name: string, detail: Record<string, unknown> = {}): void {
    this.dispatchEvent(new CustomEvent(`staywell:${name}`, { detail, bubbles: true, composed: true }));
  }

  #build(): void {
    this.#built = true;
    const root = this.attachShadow({ mode: "open" });
    // A constructed sheet is no inline style: a strict policy of the page need not allow one.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];
    this.#launch.append(icon("talk"), icon("down"), this.#badge);
    this.#launch.onclick = () => (this.isOpen ? this.close() : this.open());
    this.#panel.append(this.#wait);
    root.append(this.#panel, this.#launch, this.#status);
    root.addEventListener("keydown", (event) => {
      if ((event as KeyboardEvent).key === "Escape") this.close();
    });
    this.#render();
  }

  #said(): LauncherWords {
    return launcherWords(this.locale, this.#words?.locale === this.locale ? this.#words.strings : undefined);
  }

  #render(): void {
    const words = this.#said();
    const open = this.isOpen;
    this.#launch.classList.toggle("open", open);
    this.#launch.toggleAttribute("hidden", this.getAttribute("launcher") === "none");
    this.#launch.setAttribute("aria-expanded", String(open));
    const n = String(this.#unread);
    const unread = open || !this.#unread ? "" : words.unread.replace("{n}", n);
    if (this.#status.textContent !== unread) this.#status.textContent = unread;
    this.#launch.setAttribute("aria-label", open ? words.close : unread || words.open);
    this.#badge.hidden = open || !this.#unread;
    this.#badge.textContent = this.#unread > 9 ? "9+" : n;
    this.#panel.setAttribute("aria-label", words.chat);
    if (this.#frame) this.#frame.title = words.chat;
  }

  #load(): void {
    if (this.#frame) return;
    const query = new URLSearchParams({ site: this.site, locale: this.locale });
    const frame = make("iframe", { src: `${ORIGIN}/chat?${query}`, allow: "clipboard-write", title: this.#said().chat });
    this.#frame = frame;
    frame.hidden = true;
    if (typeof this.#identity === "function") this.#vouched = this.#vouch();
    frame.onload = async () => {
      await this.#vouched;
      this.#post(this.#init());
    };
    this.#wait.replaceChildren(make("span", { class: "spin" }));
    this.#wait.hidden = false;
    this.#panel.append(frame);
    this.#timer = window.setTimeout(() => this.#unreachable(), READY_MS);
  }

  #init(): ToChat {
    return {
      t: "init",
      url: location.href,
      locale: this.locale,
      look: this.#look(),
      privacy: this.getAttribute("privacy") ?? "",
      ask: this.getAttribute("ask") ?? "",
      identity: this.#jwt,
      words: this.#words,
    };
  }

  #unload(): void {
    clearTimeout(this.#timer);
    this.#frame?.remove();
    this.#frame = null;
    this.#ready = false;
  }

  #unreachable(): void {
    this.#unload();
    const words = this.#said();
    const again = make("button", { type: "button", class: "plain" }, words.retry);
    again.onclick = () => {
      this.#load();
      this.#launch.focus();
    };
    this.#wait.replaceChildren(words.failed, again);
    this.emit("error");
  }

  #look(): Look {
    const property = (name: string) => getComputedStyle(this).getPropertyValue(`--staywell-${name}`).trim();
    return { theme: this.getAttribute("theme") ?? "auto", accent: property("accent"), font: property("font") };
  }

  async #vouch(): Promise<void> {
    const asked = this.#identity;
    try {
      const jwt = typeof asked === "function" ? await asked() : asked;
      // Somebody else has been named while the shop's server answered.
      if (asked !== this.#identity) return;
      this.#jwt = jwt ?? undefined;
      this.#tell({ t: "identify", identity: this.#jwt });
    } catch {
      this.emit("identity-needed");
    }
  }

  /** What is said before the chat listens waits; a state that `init` carries anyway need not. */
  #tell(message: ToChat): void {
    if (this.#ready) this.#post(message);
    else if (this.#frame && (message.t === "shown" || message.t === "compose")) this.#queue.push(message);
  }

  #post(message: ToChat): void {
    this.#frame?.contentWindow?.postMessage(message, ORIGIN);
  }

  #onMessage = (event: MessageEvent): void => {
    if (event.origin !== ORIGIN || !this.#frame || event.source !== this.#frame.contentWindow) return;
    const message = readToHost(event.data);
    if (message) this.#heard(message);
  };

  #heard(message: ToHost): void {
    switch (message.t) {
      case "ready": {
        clearTimeout(this.#timer);
        this.#ready = true;
        this.#wait.hidden = true;
        if (this.#frame) this.#frame.hidden = false;
        for (const queued of this.#queue.splice(0)) {
          this.#post(queued);
          if (queued.t === "shown" && queued.focus) this.#frame?.focus();
        }
        return this.emit("ready");
      }
      case "close":
        return this.close();
      case "unread":
        if (message.count !== this.#unread) this.emit("unread", { count: message.count });
        this.#unread = message.count;
        return this.#render();
      case "active":
        this.#visit("active", message.active);
        return;
      case "locale":
        this.emit("locale", { locale: message.locale });
        return this.setAttribute("locale", message.locale);
      case "identity_needed":
        if (typeof this.#identity === "function") return void (this.#vouched = this.#vouch());
        return this.emit("identity-needed");
      case "cart":
        return this.emit("add-to-cart", { product: message.product, quantity: message.quantity });
      case "event":
        return this.emit(message.name, message.detail);
    }
  }

  /** On a phone the panel fills what the keyboard leaves, and the page behind does not scroll. */
  #fit = (): void => {
    const full = this.isOpen && matchMedia(SMALL).matches;
    const page = document.documentElement.style;
    if (full !== this.hasAttribute("full")) {
      this.toggleAttribute("full", full);
      if (full) this.#overflow = page.overflow;
      page.overflow = full ? "hidden" : this.#overflow;
    }
    const view = visualViewport;
    if (!view) return;
    this.#panel.style.setProperty("--_vh", `${view.height}px`);
    this.#panel.style.setProperty("--_vt", `${view.offsetTop}px`);
  };
}
