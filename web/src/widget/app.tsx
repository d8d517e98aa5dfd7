/** The chat: header, banner, messages, composer, and a person always in reach. */
import { wantsPerson } from "../core/chat/timeline.ts";
import { cleanName } from "./safe.ts";
import { Composer } from "./composer.tsx";
import { useChat } from "./context.ts";
import { later } from "./later.ts";
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
  const { mode } = state;
  const person = mode === "agent";
  const name = person ? cleanName(state.agent, said.t("a_person")) : said.t("name");
  const sub = mode === "bot" ? said.t("bot_sub") : mode === "resolved" ? said.t("closed") : later()?.personLine();
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
