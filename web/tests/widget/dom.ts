/** As much of a document as the chat's renderer touches. */

class FakeNode {
  parentNode: FakeElement | null = null;
  remove(): void {
    if (!this.parentNode) return;
    const { kids } = this.parentNode;
    kids.splice(kids.indexOf(this), 1);
    this.parentNode = null;
  }
  get nextSibling(): FakeNode | null {
    const kids = this.parentNode?.kids ?? [];
    return kids[kids.indexOf(this) + 1] ?? null;
  }
}

class FakeText extends FakeNode {
  constructor(public data: string) {
    super();
  }
  get html(): string {
    return this.data;
  }
}

export class FakeElement extends FakeNode {
  kids: FakeNode[] = [];
  attributes = new Map<string, string>();
  listeners = new Map<string, EventListenerObject>();
  value = "";
  disabled = false;
  /** How often a node was put somewhere. */
  static moves = 0;
  constructor(readonly tag: string) {
    super();
  }
  insertBefore(node: FakeNode, next: FakeNode | null): void {
    FakeElement.moves += 1;
    node.remove();
    this.kids.splice(next ? this.kids.indexOf(next) : this.kids.length, 0, node);
    node.parentNode = this;
  }
  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }
  removeAttribute(name: string): void {
    this.attributes.delete(name);
  }
  addEventListener(type: string, listener: EventListenerObject): void {
    this.listeners.set(type, listener);
  }
  fire(type: string): void {
    this.listeners.get(type)?.handleEvent({ type } as Event);
  }
  get html(): string {
    const attributes = [...this.attributes].sort().map(([name, value]) => ` ${name}="${value}"`);
    const state = `${this.value && ` .value=${this.value}`}${this.disabled ? " .disabled" : ""}`;
    return `<${this.tag}${attributes.join("")}${state}>${this.kids.map((kid) => (kid as FakeElement | FakeText).html).join("")}</${this.tag}>`;
  }
  find(tag: string): FakeElement | undefined {
    for (const kid of this.kids) {
      if (!(kid instanceof FakeElement)) continue;
      const found = kid.tag === tag ? kid : kid.find(tag);
      if (found) return found;
    }
    return undefined;
  }
}

export function install(): void {
  Object.assign(globalThis, {
    document: {
      createElement: (tag: string) => new FakeElement(tag),
      createTextNode: (data: string) => new FakeText(data),
    },
  });
}

/** Lets queued renderings happen. */
export const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
