// What every part of the console needs.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Agent, Api } from "../ui/api.ts";
import type { Desk } from "./desk.ts";
import type { Action, State } from "./state.ts";
import { useStore, type Store } from "./store.ts";

export interface ConsoleEnv {
  store: Store<State, Action>;
  desk: Desk;
  api: Api;
  agent: Agent;
}

export const ConsoleContext = createContext<ConsoleEnv | null>(null);

export function useConsole(): ConsoleEnv {
  const env = useContext(ConsoleContext);
  if (!env) throw new Error("ConsoleContext is missing");
  return env;
}

export function useDesk<T>(select: (state: State) => T): T {
  return useStore(useConsole().store, select);
}

/** Asked for by a key or a button, carried out by the part that knows how. */
export type Ask = "resolve" | "transfer" | "snooze" | "search" | "mentions" | "keys";

/** A place in a transcript to go to. */
export type Place = { conv: string; seq: number } | { conv: string; note: string };
