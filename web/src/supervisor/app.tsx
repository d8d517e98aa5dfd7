// The supervisor's frame: figures on top, then transcripts with their decisions, or what happens right now.
import { useCallback, useEffect, useState } from "preact/hooks";
import { useLatest, useLoad } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Icon, Logo } from "../ui/icons.tsx";
import { Button, COMMAND_KEY, Kbd, cx } from "../ui/parts.tsx";
import { AccountMenu, type SignedIn } from "../ui/session.tsx";
import { FigureTiles } from "./figures.tsx";
import { Live } from "./live.tsx";
import { TABS, readPlace, writePlace, type Place, type Tab } from "./place.ts";
import { Audit } from "./audit.tsx";
import { Models } from "./models.tsx";
import { Palette } from "./palette.tsx";
import { Reports } from "./reports.tsx";
import { Transcripts } from "./transcripts.tsx";
import type { Figures } from "./types.ts";

/** How often the figures are read again while the page is looked at. */
const FIGURES_MS = 15_000;

export function Supervisor({ agent, api, logOut }: SignedIn) {
  const { t } = useI18n();
  const [place, setPlace] = usePlace();
  const [figures, reload] = useLoad("figures", (signal) => api.get<Figures>("/api/review/summary", signal));
  useRepeat(reload, FIGURES_MS);
  useEffect(() => {
    document.title = t("title");
  }, [t]);
  const [finding, setFinding] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "k" || !(event.metaKey || event.ctrlKey) || event.altKey || event.shiftKey || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      setFinding(true);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  // On a phone the row of places is wider than the screen.
  useEffect(() => document.querySelector(".topbar nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [place.tab]);
  const go = (tab: Tab) => (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    setPlace({ ...place, tab });
  };
  return (
    <div class={cx("supervisor", `on-${place.tab}`)}>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>{t("skip")}</a>
      <header class="topbar">
        <h1 class="hidden">{t("title")}</h1>
        <Logo />
        <nav aria-label={t("nav.label")}>
          {TABS.map((tab) => (
            <a key={tab} class="navlink" href={`/supervisor${writePlace({ ...place, tab })}`} aria-current={place.tab === tab ? "page" : undefined} onClick={go(tab)}>{t(`nav.${tab}`)}</a>
          ))}
          <a class="navlink" href="/console">{t("nav.to_console")}</a>
        </nav>
        <span class="sp" />
        <Button look="ghost" class="find-open" onClick={() => setFinding(true)}><Icon name="search" /><span class="hidden">{t("palette.title")}</span><span class="wide-only row"><Kbd>{COMMAND_KEY}</Kbd><Kbd>K</Kbd></span></Button>
        <AccountMenu agent={agent} logOut={logOut} />
      </header>
      <FigureTiles figures={figures} retry={reload} />
      {place.tab === "live" && <Live api={api} figures={figures.data} onOpen={(conv) => setPlace({ ...place, tab: "transcripts", conv })} />}
      {place.tab === "transcripts" && <Transcripts api={api} place={place} setPlace={setPlace} />}
      {place.tab === "reports" && <Reports api={api} place={place} setPlace={setPlace} currency={figures.data?.offers.currency ?? "EUR"} />}
      {place.tab === "models" && <Models api={api} place={place} setPlace={setPlace} currency={figures.data?.offers.currency ?? "EUR"} />}
      {finding && <Palette api={api} place={place} setPlace={setPlace} onClose={() => setFinding(false)} />}
      {place.tab === "audit" && <Audit api={api} place={place} setPlace={setPlace} />}
    </div>
  );
}

/** The place in the address; a step to another transcript or tab can be gone back from, a change of filters replaces. */
function usePlace(): [Place, (place: Place) => void] {
  const [place, setPlace] = useState<Place>(() => readPlace(location.search));
  useEffect(() => {
    const onPop = (): void => setPlace(readPlace(location.search));
    addEventListener("popstate", onPop);
    return () => removeEventListener("popstate", onPop);
  }, []);
  const latest = useLatest(place);
  const set = useCallback((next: Place): void => {
    const step = next.tab !== latest.current.tab || (next.conv !== latest.current.conv && next.conv !== null);
    const address = `${location.pathname}${writePlace(next)}`;
    if (step) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    setPlace(next);
  }, [latest]);
  return [place, set];
}

/** Calls `act` every `ms` while the page is visible. */
export function useRepeat(act: () => void, ms: number): void {
  const latest = useLatest(act);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && latest.current(), ms);
    return () => clearInterval(timer);
  }, [ms, latest]);
}
