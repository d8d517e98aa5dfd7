/** The chat: header, banner, messages, composer, and a person always in reach. */
import { wantsPerson } from "../core/chat/timeline.ts";
import { waitOf } from "../core/chat/events.ts";
import { cleanName } from "./safe.ts";
import { Composer } from "./composer.tsx";
import { useChat } from "./context.ts";
import { later } from "./later.ts";
import { comingLine } from "./lines.ts";
import { Messages } from "./messages.tsx";

export function App() {
  const { state, gate } = useChat();
  const more = later();
  return (
    <main class="chat">
      <Header />
      {more && <more.Banner />}
      {gate ? (
        more && <more.Gate />
      ) : (
        <>
          <Messages />
          <div class="foot">
            {state.mode !== "resolved" && <Composer />}
            <Footer />
          </div>
        </>
      )}
    </main>
  );
}

function Header() {
  const { state, said, toHost } = useChat();
  const joined = state.events.findLast((ev) => ev.kind === "joined");
  const called = state.events.findLast((ev) => ev.kind === "escalated");
  const person = state.mode === "agent";
  const name = person ? cleanName(state.agent, said.t("a_person")) : said.t("name");
  const sub = person
    ? joined && said.t("joined_at", { time: said.time(joined.at) })
    : state.mode === "waiting" && called && waitOf(called).position !== null
      ? comingLine(said, called)
      : said.t(state.mode === "waiting" ? "coming" : state.mode === "resolved" ? "closed" : "bot_sub");
  return (
    <header>
      <span class={`avatar ${person ? "person" : ""}`} aria-hidden="true">
        {/^[\u3400-\u9fff]/.test(name) ? name.slice(0, 2) : name.slice(0, 1).toUpperCase()}
      </span>
      <div class="title">
        <h1>{person ? said.t("person", { name }) : said.t("bot")}</h1>
        <p role="status">{sub}</p>
      </div>
      <button type="button" class="round" aria-label={said.t("minimise")} onClick={() => toHost({ t: "close" })}>
        —
      </button>
    </header>
  );
}

function Footer() {
  const { state, said, dispatch, toHost } = useChat();
  const more = later();
  const human = () => {
    dispatch({ on: "escalate", cmid: crypto.randomUUID(), reason: "asked_for_human" });
    toHost({ t: "event", name: "escalated", detail: {} });
  };
  return (
    <div class="footer">
      {(state.mode === "bot" || state.mode === "waiting") && (
        <button type="button" class="human" disabled={wantsPerson(state)} onClick={human}>
          {said.t("human")}
        </button>
      )}
      {more && <more.Tools />}
    </div>
  );
}
