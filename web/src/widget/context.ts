import type { ChatInput, ChatState } from "../core/chat/state.ts";
import type { Answer } from "../io/http.ts";
import type { ToHost } from "./bridge.ts";
import type { Said } from "./words.ts";

/** What the parts of the chat share. A page has one chat, so that this needs no context. */
export interface Chat {
  state: ChatState;
  said: Said;
  /** Address of the shop's page, and the origins whose links and pictures are ours to show. */
  page: string;
  origins: readonly string[];
  /** What stands before the chat, until the contact has passed. */
  gate: { privacy: string; ask: string } | null;
  enter(details: { name: string; email: string }): void;
  draft: string;
  setDraft(text: string): void;
  dispatch(input: ChatInput): void;
  call<T>(path: string, body: Record<string, unknown>): Promise<Answer<T>>;
  toHost(message: ToHost): void;
  /** Sends a message. */
  say(text: string): void;
  setLocale(locale: string): void;
}

let chat: Chat;

export const useChat = (): Chat => chat;

export function shareChat(shared: Chat): void {
  chat = shared;
}
