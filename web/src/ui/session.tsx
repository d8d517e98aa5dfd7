// Logging in, staying logged in, logging out: the frame around console and supervisor.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { Api, asApiError, type Agent, type ApiError, type Session } from "./api.ts";
import { LocaleChoice, ThemeChoice } from "./choices.tsx";
import { useI18n } from "./i18n.tsx";
import { Icon } from "./icons.tsx";
import { LogIn, readRefusal, type Page } from "./login.tsx";
import { Button, Empty, Failed, Loading, Popover, Switch } from "./parts.tsx";

export interface SignedIn {
  agent: Agent;
  api: Api;
  logOut(): void;
}

type State =
  | { at: "restoring" }
  | { at: "failed"; error: ApiError }
  | { at: "out"; expired: boolean; refused: string | null }
  | { at: "in"; session: Session };

/** Takes out of the address why the identity provider's log-in led nowhere: said once, not again on a reload. */
function takeRefusal(): string | null {
  const { refused, rest } = readRefusal(location.search);
  if (refused !== null) history.replaceState(history.state, "", location.pathname + rest + location.hash);
  return refused;
}

export function SessionGate({ page, roles, children }: { page: Page; roles: readonly Agent["role"][]; children: (signedIn: SignedIn) => ComponentChildren }) {
  const api = useMemo(() => new Api(), []);
  const { t } = useI18n();
  const [state, setState] = useState<State>({ at: "restoring" });
  const [refused] = useState(takeRefusal);

  const enter = useCallback((session: Session) => {
    api.use(session);
    setState({ at: "in", session });
  }, [api]);
  const restore = useCallback(() => {
    setState({ at: "restoring" });
    api.get<Session>("/api/me").then(enter, (error: unknown) => {
      const known = asApiError(error);
      setState(known.status === 401 || known.status === 403 ? { at: "out", expired: false, refused } : { at: "failed", error: known });
    });
  }, [api, enter, refused]);
  useEffect(() => {
    api.onExpired = () => {
      api.use(null);
      setState({ at: "out", expired: true, refused: null });
    };
    restore();
  }, [api, restore]);
  const logOut = useCallback(() => {
    void api.post("/api/logout").catch(() => undefined).then(() => {
      api.use(null);
      setState({ at: "out", expired: false, refused: null });
    });
  }, [api]);

  if (state.at === "restoring") return <main class="gate"><Loading label={t("loading")} /></main>;
  if (state.at === "failed") return <main class="gate"><Failed error={state.error} retry={restore} /></main>;
  if (state.at === "out") return <LogIn api={api} page={page} expired={state.expired} refused={state.refused} onDone={enter} />;
  const { agent } = state.session;
  if (!roles.includes(agent.role)) {
    return (
      <main class="gate">
        <Empty title={t("gate.role_title")} icon="person">
          <p>{t("gate.role_text", { name: agent.name })}</p>
          <div class="row gate-row"><a class="btn primary" href="/console">{t("nav.console")}</a><Button onClick={logOut}>{t("log_out")}</Button></div>
        </Empty>
      </main>
    );
  }
  return <>{children({ agent, api, logOut })}</>;
}

/** Settings and log-out, behind the agent's name. `children`: the screen's own settings. */
export function AccountMenu({ agent, logOut, settings = [] }: {
  agent: Agent;
  logOut: () => void;
  settings?: readonly { label: string; on: boolean; set: (on: boolean) => void }[];
}) {
  const { t, word } = useI18n();
  return (
    <Popover label={t("account", { name: agent.name })} button={<><Icon name="gear" /><span class="wide-only"><bdi>{agent.name}</bdi></span></>}>
      {() => (
        <>
          <div class="menu-head"><b><bdi>{agent.name}</bdi></b><span class="xs muted">{word("role", agent.role)}</span></div>
          <LocaleChoice />
          <ThemeChoice />
          {settings.map((setting) => <Switch key={setting.label} label={setting.label} on={setting.on} onChange={setting.set} />)}
          <Button onClick={logOut}>{t("log_out")}</Button>
        </>
      )}
    </Popover>
  );
}
