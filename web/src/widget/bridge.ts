/**
 * What the shop's page and the chat in its iframe tell each other. Each side takes a message only from the other's window and
 * origin, and only if it has the declared fields; a token never crosses, an identity goes one way.
 */
import { checked, type Shapes } from "../core/decode.ts";

export interface Look {
  /** light, dark; anything else follows the system. */
  theme: string;
  /** A CSS colour and a list of fonts; whatever is not one, as the empty string, is ignored. */
  accent: string;
  font: string;
}

export type ToChat =
  /** `privacy`: address of a notice to agree to; `ask`: "name", "email" or both, to ask a guest for. Empty where not wanted. */
  | { t: "init"; url: string; locale: string; look: Look; privacy: string; ask: string; identity?: string | undefined; words?: Words | undefined }
  | { t: "shown"; shown: boolean; focus: boolean }
  | { t: "identify"; identity?: string | undefined }
  | { t: "locale"; locale: string }
  | { t: "words"; words: Words }
  | { t: "look"; look: Look }
  | { t: "compose"; body: string };

/** Strings of one locale, by key: overrides of ours, or a language that we do not bring. */
export interface Words {
  locale: string;
  strings: Record<string, string>;
}

export interface CartProduct {
  id: string;
  title: string;
  price: number;
  currency: string;
  image?: string | undefined;
  url?: string | undefined;
}

export type ToHost =
  | { t: "ready" }
  | { t: "close" }
  | { t: "unread"; count: number }
  /** A conversation is going on: the next page of the shop should listen for answers. */
  | { t: "active"; active: boolean }
  | { t: "locale"; locale: string }
  | { t: "identity_needed" }
  | { t: "cart"; product: CartProduct; quantity: number }
  | { t: "event"; name: string; detail: Record<string, unknown> };

const toChat: Shapes = {
  init: "url:s,locale:s,look:@Look,privacy:s,ask:s,identity?:s,words?:@Words",
  shown: "shown:b,focus:b",
  identify: "identity?:s",
  locale: "locale:s",
  words: "words:@Words",
  look: "look:@Look",
  compose: "body:s",
  Look: "theme:s,accent:s,font:s",
  Words: "locale:s,strings:o",
};

const toHost: Shapes = {
  ready: "",
  close: "",
  identity_needed: "",
  unread: "count:n",
  active: "active:b",
  locale: "locale:s",
  cart: "product:@Product,quantity:n",
  event: "name:s,detail:o",
  Product: "id:s,title:s,price:n,currency:s,image?:s,url?:s",
};

export const readToChat = (data: unknown): ToChat | null => checked(toChat, data);
export const readToHost = (data: unknown): ToHost | null => checked(toHost, data);
