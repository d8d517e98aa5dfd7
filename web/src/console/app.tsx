// The console's frame: top bar, three panes (tabs where there is no room), keys, banners.
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { useLatest, useNow } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Icon, Logo } from "../ui/icons.tsx";
import { Button, COMMAND_KEY, Choice, IconButton, Kbd, Popover, cx } from "../ui/parts.tsx";
import { AccountMenu, type SignedIn } from "../ui/session.tsx";
import { ConsoleContext, useConsole, useDesk, type Ask, type ConsoleEnv, type Place } from "./context.ts";
import { Desk } from "./desk.ts";
import { MentionsDialog } from "./mentions.tsx";
import { SearchDialog } from "./search.tsx";
import { KeysDialog, ResolveDialog, SnoozeDialog, TransferDialog } from "./dialogs.tsx";
import { allowDesktop, useNotices, useToggle } from "./notify.ts";
import { Panel } from "./panel.tsx";
import { Queue } from "./queue.tsx";
import { START, attention, cardOf, control, neighbour, reduce, type Presence } from "./state.ts";
import { createStore } from "./store.ts";
import { insert, suggested, type Suggested } from "./suggest.ts";
import { ThreadPane, useSelected } from "./thread.tsx";

type Pane = "queue" | "thread" | "panel";

export function Console({ agent, api, logOut }: SignedIn) {
  // Read before the frame below first writes the address.
  const asked = useMemo(() => new URLSearchParams(location.search).get("conv"), []);
  const env = useMemo<ConsoleEnv>(() => {
    const store = createStore(START, reduce);
    return { store, api, agent, desk: new Desk(api, store) };
  }, [api, agent]);
  useEffect(() => {
    env.desk.start();
    if (asked) env.desk.select(asked);
    return () => env.desk.stop();
  }, [env, asked]);
  return (
    <ConsoleContext.Provider value={env}>
      <Frame logOut={logOut} />
    </ConsoleContext.Provider>
  );
}

function Frame({ logOut }: { logOut: () => void }) {
  const { t, f } = useI18n();
  const { store, desk, agent } = useConsole();
  const [pane, setPane] = useState<Pane>("queue");
  const [dialog, setDialog] = useState<Ask | null>(null);
  const [focus, setFocus] = useState<Place | null>(null);
  const [sound, setSound] = useToggle("staywell.sound", true);
  const [desktop, setDesktop] = useToggle("staywell.desktop", false);
  const [singleKeys, setSingleKeys] = useToggle("staywell.keys", true);
  const [unseen, setUnseen] = useToggle("staywell.unseen", false);
  const thread = useSelected();
  const selected = useDesk((state) => state.selected);
  const holds = useDesk((state) => state.selected !== null && control(state, state.selected).holds);
  const items = useMemo(() => suggested(thread?.bundle ?? null, f), [thread?.bundle, f]);
  useNotices({ sound, desktop, onOpen: (conv) => { setPane("thread"); desk.select(conv); } });
  useEffect(() => desk.watchUnseen(unseen && agent.role !== "agent"), [desk, unseen, agent.role]);

  useEffect(() => {
    const url = new URL(location.href);
    if (selected) url.searchParams.set("conv", selected);
    else url.searchParams.delete("conv");
    history.replaceState(null, "", url);
    setFocus((place) => (place?.conv === selected ? place : null));
    if (selected) setPane("thread");
  }, [selected]);

  const use = useCallback((item: Suggested): void => {
    const state = store.get();
    if (!state.selected || !control(state, state.selected).holds) return;
    const draft = state.threads[state.selected]?.draft;
    if (draft) store.dispatch({ do: "draft", conv: state.selected, draft: insert(draft, item) });
    setPane("thread");
    requestAnimationFrame(() => document.getElementById("composer")?.focus());
  }, [store]);
  const pick = useCallback((seq: number): void => {
    setPane("thread");
    const conv = store.get().selected;
    if (conv) setFocus({ conv, seq });
  }, [store]);
  const goTo = (place: Place): void => {
    setFocus(place);
    setPane("thread");
    desk.select(place.conv);
  };
  useKeys({ on: singleKeys && dialog === null, items, use, ask: setDialog });

  // As with the transcript: what a key in the composer does not change is not drawn again.
  const queue = useMemo(() => <Queue onOpen={() => setPane("thread")} />, []);
  const panel = useMemo(
    () => thread && !thread.error && <Panel thread={thread} items={items} holds={holds} onInsert={use} onPick={pick} />,
    [thread?.conv, thread?.bundle, thread?.error, thread?.events, thread?.scores, items, holds, use, pick],
  );
  const unread = useDesk((state) => attention(state).unread + attention(state).offers);
  const mentions = useDesk((state) => attention(state).mentions);
  const tabs: [Pane, string, number][] = [["queue", t("pane.queue"), unread], ["thread", t("pane.thread"), 0], ["panel", t("pane.panel"), 0]];
  return (
    <div class={cx("console", `at-${pane}`)}>
      <a class="skip" href="#thread" onClick={(event) => { event.preventDefault(); document.getElementById("thread")?.focus(); }}>{t("skip")}</a>
      <header class="topbar">
        <h1 class="hidden">{t("title")}</h1>
        <Logo />
        <nav aria-label={t("nav.label")}>
          <a class="navlink" aria-current="page" href="/console">{t("nav.conversations")}</a>
          {agent.role !== "agent" && <a class="navlink" href="/supervisor">{t("nav.supervisor")}</a>}
        </nav>
        <span class="sp" />
        <Button look="ghost" class="wide-only" onClick={() => setDialog("search")}><Icon name="search" />{t("search.short")}<Kbd>{COMMAND_KEY} K</Kbd></Button>
        <span class="narrow-only"><IconButton label={t("search.title")} icon="search" onClick={() => setDialog("search")} /></span>
        <Button look="ghost" class="wide-only" onClick={() => setDialog("keys")}>{t("keys.short")}<Kbd>?</Kbd></Button>
        <Button look="ghost" class="mentions-btn" aria-label={mentions ? t("mentions.unread", { n: mentions }) : t("mentions.title")} aria-keyshortcuts="m" onClick={() => setDialog("mentions")}>
          <span aria-hidden="true">@</span>{mentions > 0 && <span class="count num">{mentions}</span>}
        </Button>
        <PresenceMenu />
        <AccountMenu agent={agent} logOut={logOut} settings={[
          { label: t("setting.sound"), on: sound, set: setSound },
          { label: t("setting.desktop"), on: desktop, set: (on) => (on ? void allowDesktop().then(setDesktop) : setDesktop(false)) },
          { label: t("setting.keys"), on: singleKeys, set: setSingleKeys },
          ...(agent.role === "agent" ? [] : [{ label: t("setting.unseen"), on: unseen, set: setUnseen }]),
        ]} />
      </header>
      <Banner />
      <nav class="pane-tabs" aria-label={t("pane.label")}>
        {tabs.map(([name, label, count]) => (
          <button key={name} type="button" class={cx("pane-tab", name === "queue" && "first")} aria-pressed={pane === name} onClick={() => setPane(name)}>
            {label}{count > 0 && <span class="count num">{count}</span>}
          </button>
        ))}
      </nav>
      <main class="panes">
        <nav class="pane queue" aria-label={t("pane.queue")}>{queue}</nav>
        <section class="pane thread" id="thread" tabIndex={-1} aria-label={t("pane.thread")}>
          <ThreadPane items={items} ask={setDialog} focus={focus} onPick={pick} />
        </section>
        <section class="pane panel" aria-label={t("pane.panel")}>
          {panel}
        </section>
      </main>
      <Toasts />
      {dialog === "resolve" && thread && <ResolveDialog thread={thread} onClose={() => setDialog(null)} />}
      {dialog === "transfer" && thread && <TransferDialog thread={thread} onClose={() => setDialog(null)} />}
      {dialog === "snooze" && thread && <SnoozeDialog thread={thread} onClose={() => setDialog(null)} />}
      {dialog === "mentions" && <MentionsDialog goTo={goTo} onClose={() => setDialog(null)} />}
      {dialog === "keys" && <KeysDialog onClose={() => setDialog(null)} />}
      {dialog === "search" && <SearchDialog thread={thread} goTo={goTo} onClose={() => setDialog(null)} />}
    </div>
  );
}

function PresenceMenu() {
  const { t } = useI18n();
  const { desk } = useConsole();
  const snapshot = useDesk((state) => state.desk);
  const open = useDesk((state) => state.link.at === "open");
  const presence: Presence = open && snapshot ? snapshot.presence : "offline";
  const load = snapshot ? t("presence.load", { load: snapshot.load, capacity: snapshot.capacity }) : "";
  return (
    <Popover label={t("presence.label", { state: t(`presence.${presence}`), load })} button={<><span class={cx("dot", presence)} aria-hidden="true" />{t(`presence.${presence}`)}<span class="num muted wide-only">{load && `· ${load}`}</span></>}>
      {(close) => (
        <>
          <Choice label={t("presence.title")} value={presence} onChange={(state) => { desk.presence(state); close(); }}
            options={(["available", "away"] as const).map((value) => ({ value, label: t(`presence.${value}`) }))} />
          <p class="xs muted">{t(`presence.${presence}_means`)}</p>
        </>
      )}
    </Popover>
  );
}

function Banner() {
  const { t } = useI18n();
  const { desk } = useConsole();
  const link = useDesk((state) => state.link);
  const known = useDesk((state) => state.desk !== null);
  const now = useNow(1000);
  // The browser knows at once what the connection notices only when a heartbeat stays unanswered.
  if (!navigator.onLine) return <div class="banner" role="status">{t("link.offline")}</div>;
  if (link.at === "open" || (link.at === "connecting" && !known)) return <div role="status" class="hidden" />;
  if (link.at === "replaced") {
    return <div class="banner bad" role="alert">{t("link.replaced")}<Button onClick={() => desk.reconnect()}>{t("link.here")}</Button></div>;
  }
  return (
    <div class="banner" role="status">
      {link.at === "waiting" ? t("link.waiting", { n: Math.max(1, Math.ceil((link.until - now) / 1000)) }) : t("link.connecting")}
      {link.at === "waiting" && <Button onClick={() => desk.reconnect()}>{t("link.now")}</Button>}
    </div>
  );
}

function Toasts() {
  const { t, word } = useI18n();
  const { store } = useConsole();
  const notices = useDesk((state) => state.notices);
  useEffect(() => {
    if (!notices.length) return;
    const timer = setTimeout(() => store.dispatch({ do: "dismiss", id: notices[0]!.id }), 6000);
    return () => clearTimeout(timer);
  }, [notices, store]);
  return (
    <div class="toasts" role="status">
      {notices.map((notice) => (
        <div class="toast" key={notice.id}>
          <span>{t("refused", { what: word("command", notice.command), why: word("refused", notice.code) })}</span>
          <IconButton label={t("close")} icon="close" onClick={() => store.dispatch({ do: "dismiss", id: notice.id })} />
        </div>
      ))}
    </div>
  );
}

/** Keys of the console. Single keys act only outside of fields, and can be switched off. */
function useKeys({ on, items, use, ask }: { on: boolean; items: readonly Suggested[]; use: (item: Suggested) => void; ask: (what: Ask) => void }): void {
  const { store, desk, agent } = useConsole();
  const latest = useLatest({ on, items, use, ask });
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const { on: single, items: list, use: insertItem, ask: open } = latest.current;
      if (event.isComposing || document.querySelector("dialog[open]")) return;
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        open("search");
        return;
      }
      const target = event.target instanceof Element ? event.target : null;
      if (!single || event.metaKey || event.ctrlKey || event.altKey || target?.closest("input, textarea, select, [contenteditable], .popover-in")) return;
      const state = store.get();
      const { selected } = state;
      const offer = state.desk?.offered[0];
      const mine = selected ? control(state, selected) : { holds: false, assignEpoch: 0 };
      const card = cardOf(state, selected);
      const focusComposer = (mode: "reply" | "note"): void => {
        if (!selected) return;
        const draft = state.threads[selected]?.draft;
        if (draft) store.dispatch({ do: "draft", conv: selected, draft: { ...draft, mode } });
        document.getElementById("composer")?.focus();
      };
      const acts: Record<string, (() => void) | false | undefined | null> = {
        a: offer && (() => desk.accept(offer.task, offer.offer ?? null)),
        d: !!offer?.offer && (() => desk.decline(offer.task, offer.offer!)),
        j: () => { const next = neighbour(state, 1); if (next) desk.select(next); },
        k: () => { const next = neighbour(state, -1); if (next) desk.select(next); },
        r: mine.holds && (() => focusComposer("reply")),
        n: () => focusComposer("note"),
        "/": mine.holds && (() => {
          const draft = state.threads[selected!]?.draft;
          if (draft && !draft.text) store.dispatch({ do: "draft", conv: selected!, draft: { ...draft, mode: "reply", text: "/" } });
          document.getElementById("composer")?.focus();
        }),
        e: (mine.holds || (card?.state === "wrap_up" && card.agent_id === agent.id)) && (() => open("resolve")),
        p: mine.holds && (() => open("transfer")),
        z: mine.holds && (() => open("snooze")),
        b: mine.holds && (() => desk.returnToBot(selected!, mine.assignEpoch)),
        t: selected !== null && !mine.holds && (!card?.agent_id || agent.role !== "agent") && (() => (card?.state === "queued" ? desk.accept(card.task, null) : desk.takeOver(selected))),
        m: () => open("mentions"),
        "?": () => open("keys"),
      };
      const number = /^[1-9]$/.test(event.key) ? list.find((item) => item.key === event.key) : undefined;
      const act = number ? () => insertItem(number) : acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [store, desk, agent, latest]);
}
