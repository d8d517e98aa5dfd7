/** The list of messages: what was said, what happened, and what is still on its way. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { quickReplies } from "../core/chat/events.ts";
import { type Delivery, type Item, openReplies, timeline } from "../core/chat/timeline.ts";
import type { Ev } from "../protocol/gen.ts";
import { useChat } from "./context.ts";
import { later } from "./later.ts";
import { cleanName } from "./safe.ts";
import { Text } from "./text.tsx";
import type { Said } from "./words.ts";

/** Closer to the end than this counts as looking at the end. */
const NEAR_END = 80;

export function Messages() {
  const { state, said, dispatch } = useChat();
  const log = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [behind, setBehind] = useState(false);
  const first = state.events[0]?.seq ?? 0;
  const height = useRef({ first, height: 0 });
  const items = timeline(state);
  const more = later();

  useLayoutEffect(() => {
    const box = log.current;
    if (!box) return;
    // Older messages came in above: what was being read stays where it was.
    if (first < height.current.first) box.scrollTop += box.scrollHeight - height.current.height;
    else if (atEnd.current || state.outbox.length) box.scrollTop = box.scrollHeight;
    else setBehind(true);
    height.current = { first, height: box.scrollHeight };
  }, [state.events, state.outbox, state.typing, state.part, state.mode, more]);

  // A keyboard or a growing text field takes room: the newest message stays in sight.
  useEffect(() => {
    const box = log.current;
    if (!box) return;
    const watch = new ResizeObserver(() => {
      if (atEnd.current) box.scrollTop = box.scrollHeight;
    });
    watch.observe(box);
    return () => watch.disconnect();
  }, []);

  const scrolled = () => {
    const box = log.current;
    if (!box) return;
    atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
    if (atEnd.current) setBehind(false);
    if (box.scrollTop < NEAR_END && state.more) dispatch({ on: "older" });
  };

  const replies = openReplies(state);
  return (
    <div class="middle">
      <div class="log" role="log" aria-label={said.t("log")} tabIndex={0} ref={log} onScroll={scrolled}>
        {more && state.more && <more.Earlier />}
        {!items.length && state.loading === "none" && <Greeting />}
        {items.map((item) => (
          <Line key={item.key} item={item} said={said} />
        ))}
        {state.part && (
          <div class="bubble in" aria-hidden="true">
            <Text body={state.part.body} />
          </div>
        )}
        {(state.typing || state.loading === "newest") && !state.part && <TypingSign />}
        {replies && !state.typing && <Replies texts={quickReplies(replies)} />}
        {more && <more.CallBack />}
        {state.mode === "resolved" && more && <more.Rating />}
      </div>
      {more && behind && <more.Newest show={() => log.current?.scrollTo({ top: log.current.scrollHeight, behavior: "smooth" })} />}
    </div>
  );
}

function Line({ item, said }: { item: Item; said: Said }) {
  if (item.is === "day") return <p class="line">{said.day(item.at, Date.now())}</p>;
  if (item.is === "outgoing") return <OutgoingLine {...item} />;
  const { ev } = item;
  switch (ev.kind) {
    case "message":
    case "products":
    case "offer":
      return <Message ev={ev} joined={item.joined} delivery={item.delivery} />;
  }
  // What happened is told in words that come later.
  const more = later();
  return more && <more.Happened ev={ev} />;
}

function Message({ ev, joined, delivery }: { ev: Ev; joined: boolean; delivery: Delivery | null }) {
  const { said } = useChat();
  const more = later();
  const mine = ev.from === "contact";
  const who = mine
    ? said.t("you")
    : ev.from === "agent"
      ? said.t("person", { name: cleanName(ev.name, said.t("a_person")) })
      : said.t("bot_short");
  return (
    <div class={`message ${mine ? "mine" : ev.from}`}>
      <span class={joined || ev.from !== "agent" ? "quiet" : "who"}>{who}</span>
      {ev.body ? (
        <div class={`bubble ${mine ? "out" : "in"}`} title={said.time(ev.at)} dir="auto">
          <Text body={ev.body} />
        </div>
      ) : null}
      {more && ev.kind === "products" && <more.Products ev={ev} />}
      {more && ev.kind === "offer" && <more.OfferCard ev={ev} />}
      {delivery && <span class="meta">{said.t(delivery)}</span>}
    </div>
  );
}

function OutgoingLine({ item, delivery }: Extract<Item, { is: "outgoing" }>) {
  const { said } = useChat();
  const more = later();
  return (
    <div class="message mine">
      {item.kind === "escalate" ? (
        <p class="line">{said.t("human")}</p>
      ) : (
        <div class={`bubble out ${delivery === "delivered" ? "" : "pending"}`} dir="auto">
          <Text body={item.body} />
        </div>
      )}
      {delivery !== "failed" ? <span class="meta">{said.t(delivery)}</span> : more && <more.NotSent item={item} />}
    </div>
  );
}

function TypingSign() {
  const { said, state } = useChat();
  const name = state.typing === "agent" ? cleanName(state.agent, said.t("a_person")) : said.t("name");
  return (
    <div class="bubble in typing" role="img" aria-label={said.t("typing", { name })}>
      <i />
      <i />
      <i />
    </div>
  );
}

function Replies({ texts }: { texts: readonly string[] }) {
  const { say } = useChat();
  return (
    <div class="replies">
      {texts.map((text) => (
        <button key={text} type="button" onClick={() => say(text)}>
          {cleanName(text)}
        </button>
      ))}
    </div>
  );
}

function Greeting() {
  const { said } = useChat();
  return (
    <>
      <div class="message bot">
        <span class="quiet">{said.t("bot_short")}</span>
        <div class="bubble in">{said.t("greeting")}</div>
      </div>
      <Replies texts={[said.t("start_1"), said.t("start_2"), said.t("start_3")]} />
    </>
  );
}
