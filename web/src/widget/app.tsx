/** The chat: header, banner, messages, composer, and a person always in reach. */
import { useEffect, useState } from "preact/hooks";
import { banner, transcript, wantsPerson } from "../core/chat/timeline.ts";
import { waitOf } from "../core/chat/events.ts";
import { displayName, neutralise } from "../ui/text.ts";
import { Composer } from "./composer.tsx";
import { useChat } from "./context.ts";
import { Icon } from "./icons.tsx";
import { comingLine, systemLine } from "./lines.ts";
import { Messages } from "./messages.tsx";
import { languageName } from "./words.ts";

/** A connection that is made faster than this is not worth a word. */
const PATIENCE_MS = 600;

export function App({ draft, setDraft, focus }: { draft: string; setDraft: (text: string) => void; focus: number }) {
  const { dispatch, toHost, state } = useChat();
  const say = (body: string) => {
    const text = body.trim();
    if (!text) return;
    dispatch({ on: "write", writing: false });
    dispatch({ on: "send", cmid: crypto.randomUUID(), body: text });
    toHost({ t: "event", name: "message", detail: { from: "contact" } });
  };
  return (
    <main class="chat">
      <Header />
      <Banner />
      <Messages onSay={say} />
      <div class="foot">
        {state.mode !== "resolved" && <Composer draft={draft} setDraft={setDraft} focus={focus} onSay={say} />}
        <Footer />
      </div>
    </main>
  );
}

function Header() {
  const { state, said, toHost } = useChat();
  const joined = state.events.findLast((ev) => ev.kind === "joined");
  const called = state.events.findLast((ev) => ev.kind === "escalated");
  const person = state.mode === "agent";
  const name = person ? displayName(state.agent, said.t("a_person")) : said.t("name");
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
        <Icon name="down" />
      </button>
    </header>
  );
}

function Banner() {
  const { state, said, dispatch } = useChat();
  const [patient, setPatient] = useState(true);
  const what = banner(state);
  useEffect(() => {
    setPatient(true);
    const timer = setTimeout(() => setPatient(false), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [what]);
  const shown = what === "connecting" && patient ? null : what;
  return (
    <div class={`banner ${shown ?? ""}`} role="status">
      {shown && <span>{said.t(shown)}</span>}
      {(shown === "refused" || shown === "connecting") && (
        <button type="button" onClick={() => dispatch({ on: "start" })}>
          {said.t("again")}
        </button>
      )}
    </div>
  );
}

function Footer() {
  const { state, said, dispatch, call, toHost, setLocale } = useChat();
  const [sure, setSure] = useState(false);
  const [failed, setFailed] = useState(false);
  const talking = state.events.length > 0;
  const open = state.mode !== "resolved";

  const human = () => {
    dispatch({ on: "escalate", cmid: crypto.randomUUID(), reason: "" });
    toHost({ t: "event", name: "escalated", detail: {} });
  };
  const end = async () => {
    setSure(false);
    const { ok } = await call("/api/widget/resolve", { conv: state.conv });
    setFailed(!ok);
  };
  const save = () => {
    const words = {
      contact: said.t("you"),
      bot: said.t("bot_short"),
      agent: said.t("a_person"),
      system: (ev: Parameters<typeof systemLine>[1]) => systemLine(said, ev),
      time: (at: number) => said.day(at, Date.now()),
    };
    const text = neutralise(transcript(state.events, words)).text;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = `chat-${new Date().toISOString().slice(0, 10)}.txt`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  if (sure) {
    return (
      <div class="footer sure" role="alertdialog" aria-label={said.t("end_sure")}>
        <span>{said.t("end_sure")}</span>
        <button type="button" class="strong" onClick={() => void end()}>
          {said.t("end_yes")}
        </button>
        <button type="button" onClick={() => setSure(false)}>
          {said.t("end_no")}
        </button>
      </div>
    );
  }
  return (
    <div class="footer">
      {open && state.mode !== "agent" && (
        <button type="button" class="human" disabled={wantsPerson(state)} onClick={human}>
          <Icon name="person" /> {said.t("human")}
        </button>
      )}
      <select
        aria-label={said.t("language")}
        value={said.locale}
        onChange={(event) => setLocale(event.currentTarget.value)}
      >
        {said.choices.map((tag) => (
          <option key={tag} value={tag} lang={tag}>
            {languageName(tag)}
          </option>
        ))}
      </select>
      <span class="space" role="alert">
        {failed && said.t("call_failed")}
      </span>
      {talking && open && (
        <button type="button" onClick={() => setSure(true)}>
          {said.t("end")}
        </button>
      )}
      {talking && (
        <button type="button" onClick={save}>
          {said.t("transcript")}
        </button>
      )}
    </div>
  );
}
