// What happens right now: who waits, who is at risk with the assistant, who is with an agent, and the agents themselves.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Api } from "../ui/api.ts";
import { useLoad, useNow } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Failed, Loading, Name, Section, cx } from "../ui/parts.tsx";
import { useRepeat } from "./app.tsx";
import { Item } from "./list.tsx";
import type { AgentLine, Figures, Page } from "./types.ts";

const LIVE_MS = 5000;
const MOST = 40;

export function Live({ api, figures, onOpen }: { api: Api; figures: Figures | null; onOpen: (conv: string) => void }) {
  const { t, f } = useI18n();
  const [withPeople, again1] = useLoad("escalated", (signal) => api.get<Page>(`/api/review/conversations?status=escalated&sort=risk&limit=${MOST}`, signal));
  const [withBot, again2] = useLoad("open", (signal) => api.get<Page>(`/api/review/conversations?status=open&sort=risk&limit=${MOST}`, signal));
  const [agents, again3] = useLoad("agents", (signal) => api.get<{ agents: AgentLine[] }>("/api/review/agents", signal));
  const reload = (): void => {
    again1();
    again2();
    again3();
  };
  useRepeat(reload, LIVE_MS);
  const now = useNow(1000);
  useEffect(() => {
    document.getElementById("content")?.focus({ preventScroll: true });
  }, []);
  const failed = [withPeople, withBot].find((one) => one.state === "error" && one.data);
  const list = (loaded: typeof withPeople, title: string, empty: string, keep: (page: Page) => Page["conversations"], aside?: ComponentChildren) => {
    const lines = loaded.data ? keep(loaded.data) : [];
    return (
      <Section title={title} aside={aside ?? <span class="xs muted num">{loaded.data ? f.count(lines.length) : ""}</span>} class="live-col">
        {!loaded.data && loaded.state === "error" && <Failed error={loaded.error} retry={reload} />}
        {!loaded.data && loaded.state === "loading" && <Loading label={t("loading")} lines={5} />}
        {loaded.data && lines.length === 0 && <p class="sm muted">{empty}</p>}
        <ul>{lines.map((line) => <li key={line.id} class="it-item"><Item line={line} on={false} onOpen={() => onOpen(line.id)} /></li>)}</ul>
      </Section>
    );
  };
  const people = agents.data?.agents ?? [];
  return (
    <main class="live" id="content" tabIndex={-1} aria-label={t("nav.live")}>
      {failed && <p class="banner live-banner" role="status">{t("live.stale")}</p>}
      {list(withPeople, t("live.waiting"), t("live.nobody_waits"), (page) => page.conversations.filter((line) => !line.agent),
        figures && figures.longest_wait_s !== null ? <span class="xs muted num">{t("live.longest", { time: f.clock(figures.longest_wait_s * 1000) })}</span> : undefined)}
      {list(withBot, t("live.at_risk"), t("live.nobody_at_risk"), (page) => page.conversations.filter((line) => line.band === "high" || line.band === "elevated"))}
      {list(withPeople, t("live.held"), t("live.nobody_held"), (page) => page.conversations.filter((line) => line.agent))}
      <Section title={t("live.agents")} aside={<span class="xs muted num">{f.time(now)}</span>} class="live-col">
        {!agents.data && agents.state === "loading" && <Loading label={t("loading")} lines={3} />}
        <ul class="agents">
          {people.map((agent) => (
            <li key={agent.id} class="row">
              {agent.presence && <span class={cx("dot", agent.presence)} aria-hidden="true" />}
              <span class="clip"><Name name={agent.name} /></span>
              <span class="sp" />
              <span class="xs muted num">{agent.presence && t(`presence.${agent.presence}`)}{agent.capacity !== undefined && ` · ${t("presence.load", { load: agent.load ?? 0, capacity: agent.capacity })}`}</span>
            </li>
          ))}
        </ul>
      </Section>
    </main>
  );
}
