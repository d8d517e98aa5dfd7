// Three columns: what to choose from, the transcript with its risk rail and decisions, and the supervisor's own judgement.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { curvePoints, transcript, turnNumber, type Item as Entry, type Score } from "../ui/bundle.ts";
import type { Api } from "../ui/api.ts";
import { RiskCurve, turnThatMoved, type Moved } from "../ui/curve.tsx";
import { SPOKEN, Spoken, lineOf, scriptOf } from "../ui/event.tsx";
import { useLatest, useLoad, useNow } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Band, Empty, Failed, Loading, Name, SHAPES, Said, cx } from "../ui/parts.tsx";
import { DecisionCard } from "./decision.tsx";
import { TranscriptList } from "./list.tsx";
import { useRepeat } from "./app.tsx";
import { Whisper } from "./whisper.tsx";
import type { Place } from "./place.ts";
import { Judgement } from "./judgement.tsx";
import type { DecisionRow, Line, Transcript } from "./types.ts";

/** How often a conversation that goes on is read again. */
const WATCH_MS = 5000;

type Pane = "list" | "transcript" | "judgement";

export function Transcripts({ api, place, setPlace }: { api: Api; place: Place; setPlace: (place: Place) => void }) {
  const { t } = useI18n();
  const { conv } = place;
  const [pane, setPane] = useState<Pane>(conv ? "transcript" : "list");
  const [chosen, setChosen] = useState<string | null>(null);
  /** The transcript that was read last: to read it again is to go on reading. */
  const opened = useRef<string | null>(null);
  const listed = useRef<readonly Line[]>([]);
  const [loaded, reload] = useLoad(conv, (signal) => {
    const again = opened.current === conv;
    return api.get<Transcript>(`/api/review/conversations/${encodeURIComponent(conv!)}${again ? "?again=true" : ""}`, signal).then((data) => {
      opened.current = conv;
      return data;
    });
  });
  const shown = loaded.data?.conversation.id === conv ? loaded.data : null;
  const goesOn = shown !== null && shown.conversation.status !== "resolved";
  useRepeat(() => goesOn && reload(), WATCH_MS);
  useEffect(() => {
    setChosen(null);
    if (conv) setPane("transcript");
  }, [conv]);
  const setLines = useCallback((lines: readonly Line[]) => {
    listed.current = lines;
  }, []);

  const latest = useLatest((event: KeyboardEvent) => {
    const target = event.target instanceof Element ? event.target : null;
    if (event.isComposing || event.metaKey || event.ctrlKey || event.altKey || target?.closest("input, textarea, select, .popover-in")) return;
    const lines = listed.current;
    const at = lines.findIndex((line) => line.id === conv);
    if (event.key === "/") document.getElementById("find")?.focus();
    else if (event.key === "j" && lines[at + 1]) setPlace({ ...place, conv: lines[at + 1]!.id, at: null });
    else if (event.key === "k" && at > 0) setPlace({ ...place, conv: lines[at - 1]!.id, at: null });
    else return;
    event.preventDefault();
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => latest.current(event);
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [latest]);

  const panes: [Pane, string][] = [["list", t("pane.list")], ["transcript", t("pane.transcript")], ["judgement", t("pane.judgement")]];
  return (
    <main class={cx("desk", `at-${pane}`, !conv && "bare")}>
      <div class="pane-tabs" role="group" aria-label={t("pane.label")}>
        {panes.map(([name, label]) => <button key={name} type="button" class={cx("pane-tab", name === "list" && "first")} aria-pressed={pane === name} onClick={() => setPane(name)}>{label}</button>)}
      </div>
      <nav class="col list" aria-label={t("pane.list")}><TranscriptList api={api} place={place} setPlace={setPlace} lines={setLines} /></nav>
      <section class="col middle" id="content" tabIndex={-1} aria-label={t("pane.transcript")}>
        {!conv && <Empty title={t("transcript.choose")} icon="chat">{t("transcript.choose_text")}</Empty>}
        {conv && !shown && loaded.state !== "error" && <Loading label={t("loading")} lines={9} />}
        {conv && !shown && loaded.state === "error" && <Failed error={loaded.error} retry={reload} />}
        {shown && <TranscriptView key={shown.conversation.id} data={shown} chosen={chosen} choose={setChosen} at={place.at} goesOn={goesOn} stale={loaded.state === "error"} ofContact={() => setPlace({ ...place, sort: "recent", filters: { contact: shown.contact.id } })} />}
        {shown && goesOn && <Whisper key={`whisper ${shown.conversation.id}`} api={api} data={shown} reload={reload} />}
      </section>
      <section class="col right" aria-label={t("pane.judgement")}>
        {shown && <Judgement key={shown.conversation.id} api={api} data={shown} chosen={chosen} choose={setChosen} reload={reload} />}
      </section>
    </main>
  );
}

function TranscriptView({ data, chosen, choose, at, goesOn, stale, ofContact }: {
  data: Transcript;
  chosen: string | null;
  choose: (id: string | null) => void;
  at: number | null;
  goesOn: boolean;
  stale: boolean;
  ofContact: () => void;
}) {
  const i18n = useI18n();
  const { t } = i18n;
  const now = useNow(60_000);
  const box = useRef<HTMLDivElement>(null);
  const items = useMemo(() => transcript(data.events, data.notes), [data]);
  const scores = useMemo(() => new Map(data.scores.map((score) => [score.seq, score])), [data]);
  const decisions = useMemo(() => new Map(data.decisions.map((decision) => [decision.seq, decision])), [data]);
  const points = useMemo(() => curvePoints(data.scores), [data]);
  const moved = useMemo(() => turnThatMoved(points), [points]);
  const [open, setOpen] = useState<ReadonlySet<string>>(() => {
    const first = (moved && decisions.get(moved.seq)) ?? data.decisions.findLast((decision) => decision.kind !== "none");
    return new Set(first ? [first.id] : []);
  });
  const toggle = (decision: DecisionRow): void => {
    choose(open.has(decision.id) ? null : decision.id);
    setOpen((was) => {
      const next = new Set(was);
      if (!next.delete(decision.id)) next.add(decision.id);
      return next;
    });
  };
  const { contact, conversation } = data;
  const show = (seq: number): void => {
    const row = box.current?.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
    row?.scrollIntoView({ block: "center" });
    row?.focus({ preventScroll: true });
  };
  useEffect(() => {
    if (at !== null) show(at);
  }, [at]);
  return (
    <div class="view" ref={box}>
      <header class="view-head">
        <div class="view-who">
          <h2 class="title"><Name name={contact.name} fallback={t("who.guest")} /></h2>
          <p class="sm muted">
            {[conversation.locale, i18n.word("status", conversation.status), t("turns", { n: turnNumber(data.events, Infinity) }), t(`group.${contact.group}`), conversation.csat ? t("csat", { score: conversation.csat }) : ""].filter(Boolean).join(" · ")}
          </p>
        </div>
        <div class="row wrap view-do">
          {goesOn && <span class={cx("tag", stale ? "warn" : "good")} role="status">{t(stale ? "transcript.stale" : "transcript.live")}</span>}
          <button type="button" class="btn" onClick={ofContact}>{t("transcript.of_contact")}</button>
          <a class="btn" href={`/console?conv=${conversation.id}`}>{t("transcript.in_console")}</a>
        </div>
      </header>
      {points.length > 1 && <div class="view-curve"><RiskCurve points={points} thresholds={data.thresholds} moved={moved} height={84} onPick={show} /></div>}
      <ol class="turns">
        {items.map((item) => {
          const decision = item.is === "ev" && item.ev.from === "contact" ? decisions.get(item.ev.seq) : undefined;
          return (
            <Row key={item.key} item={item} score={item.is === "ev" ? scores.get(item.ev.seq) : undefined} moved={moved} now={now}>
              {decision && <DecisionCard decision={decision} currency={contact.currency} open={open.has(decision.id)} selected={chosen === decision.id} onToggle={() => toggle(decision)} />}
            </Row>
          );
        })}
      </ol>
    </div>
  );
}

function Row({ item, score, moved, now, children }: { item: Entry; score: Score | undefined; moved: Moved | null; now: number; children?: ComponentChildren }) {
  const i18n = useI18n();
  const { t, f } = i18n;
  if (item.is === "day") return <li class="turn day"><span class="rail" /><p class="xs muted b">{f.day(item.at, now)}</p></li>;
  if (item.is === "note") {
    return (
      <li class="turn"><span class="rail" />
        <div class="note"><p class="xs"><b>{t("note.by", { name: item.note.agent })}</b> · {f.time(item.note.at)}</p><Said text={item.note.body} /></div>
      </li>
    );
  }
  const { ev } = item;
  if (!SPOKEN.has(ev.kind)) {
    return <li class="turn line" data-seq={ev.seq} tabIndex={-1}><span class="rail" /><p class="xs muted">{lineOf(i18n, ev)} · {f.time(ev.at)}</p></li>;
  }
  const turned = moved?.seq === ev.seq;
  const script = ev.from === "bot" ? scriptOf(ev) : null;
  return (
    <li class={cx("turn", ev.from, turned && "turned")} data-seq={ev.seq} tabIndex={-1}>
      <span class="rail">{score && <Value score={score} />}</span>
      <div class="turn-body">
        <p class="xs muted turn-who">
          {ev.from === "agent" ? <Name name={ev.name} fallback={t("who.agent")} /> : <span>{t(`who.${ev.from}`)}</span>}
          <span class="num">{f.time(ev.at)}</span>
          {item.turn && <span>{t("turn", { n: item.turn })}</span>}
          {script && <bdi>{t("script", { id: script })}</bdi>}
          {turned && <b class="moved num">{f.change(moved.delta)}</b>}
        </p>
        <div class="txt"><Spoken ev={ev} /></div>
        {children}
      </div>
    </li>
  );
}

/** The risk on the rail: number, colour and shape. */
function Value({ score }: { score: Score }) {
  const { t, f, word } = useI18n();
  if (typeof score.churn !== "number") return <Band risk={null} />;
  const band = score.band ?? "low";
  const tone = band === "high" ? "high" : band === "elevated" ? "mid" : "low";
  const label = t("risk.title", { band: word("band", band), risk: f.probability(score.churn) });
  return <span class={cx("v num", tone)} title={label}><span aria-hidden="true">{SHAPES[band]} {f.probability(score.churn)}</span><span class="hidden">{label}</span></span>;
}
