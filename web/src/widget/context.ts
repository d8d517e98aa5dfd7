import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { ChatState } from "../core/chat/state.ts";
import type { ChatInput } from "../core/chat/state.ts";
import type { Answer } from "../io/http.ts";
import type { ToHost } from "./bridge.ts";
import type { Said } from "./words.ts";

/** What the parts of the chat share. */
export interface Chat {
  state: ChatState;
  said: Said;
  /** Address of the shop's page, and the origins whose links and pictures are ours to show. */
  page: string;
  origins: readonly string[];
  dispatch(input: ChatInput): void;
  call<T>(path: string, body: unknown): Promise<Answer<T>>;
  toHost(message: ToHost): void;
  setLocale(locale: string): void;
}

export const ChatContext = createContext<Chat | null>(null);

export function useChat(): Chat {
  const chat = useContext(ChatContext);
  if (!chat) throw new Error("outside of the chat");
  return chat;
}
