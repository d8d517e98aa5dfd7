/** Fetches the parts that the first message can do without, and has them when they are there. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useChat } from "./context.ts";
import { addEnglish } from "./words.ts";

type More = typeof import("./more.tsx");

const SCRIPT = "/static/chat-more.js";
const STYLE = "/static/chat-more.css";
let more: More | null = null;
let asked: Promise<void> | null = null;

/** Fetches them; a failed fetch is tried again by the next call. */
export function fetchMore(then: () => void): void {
  asked ??= import(SCRIPT).then(
    (loaded: More) => {
      loaded.lend({ useEffect, useRef, useState });
      document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: STYLE }));
      addEnglish(loaded.english);
      more = loaded;
      then();
    },
    () => {
      asked = null;
    },
  );
}

/** The parts, to be drawn with the chat as it is now, or null while they are on their way. */
export function later(): More | null {
  more?.shareChat(useChat());
  return more;
}
