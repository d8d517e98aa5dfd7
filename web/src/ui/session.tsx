// Logging in, staying logged in, logging out: the frame around console and supervisor.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Api, ApiError, type Agent, type Session } from "./api.ts";
import { useI18n, type Locale } from "./i18n.tsx";
import { Button, Choice, Empty, Failed, Loading, Popover, Switch } from "./parts.tsx";
import { Icon, Logo } from "./icons.tsx";
import { THEMES, useTheme, type Theme } from "./theme.ts";

export interface SignedIn {
  agent: Agent;
  api: Api;
  logOut(): void;
}

type State =
  | { at: "restoring" }
  | { at: "failed"; error: ApiError }
  | { at: "out"; expired: boolean }
  | { at: "in"; session: Session };

const asApiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(0, "bug", String(error), false);

export function SessionGate({ roles, children }: { roles: readonly Agent["role"][]; children: (signedIn: SignedIn) => ComponentChildren }) {
  const api = useMemo(() => new Api(), []);
  const { t } = useI18n();
  const [state, setState] = useState<State>({ at: "restoring" });

  const enter = useCallback((session: Session) => {
    api.use(session);
    setState({ at: "in", session });
  }, [api]);
  const restore = useCallback(() => {
    setState({ at: "restoring" });
    api.get<Session>("/api/me").then(enter, (error: unknown) => {
      const known = asApiError(error);
      setState(known.status === 401 || known.status === 403 ? { at: "out", expired: false } : { at: "failed", error: known });
    });
  }, [api, enter]);
  useEffect(() => {
    api.onExpired = () => {
      api.use(null);
      setState({ at: "out", expired: true });
    };
    restore();
  }, [api, restore]);
  const logOut = useCallback(() => {
    void api.post("/api/logout").catch(() => undefined).then(() => {
      api.use(null);
      setState({ at: "out", expired: false });
    });
  }, [api]);

  if (state.at === "restoring") return <main class="gate"><Loading label={t("loading")} /></main>;
  if (state.at === "failed") return <main class="gate"><Failed error={state.error} retry={restore} /></main>;
  if (state.at === "out") return <LogIn api={api} expired={state.expired} onDone={enter} />;
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

function LogIn({ api, expired, onDone }: { api: Api; expired: boolean; onDone: (session: Session) => void }) {
  const { t, word } = useI18n();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const [shown, setShown] = useState(false);
  const login = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => login.current?.focus(), []);

  const submit = (event: Event): void => {
    event.preventDefault();
    if (busy || !login.current?.value || !password.current?.value) return;
    setBusy(true);
    setError(null);
    api.post<Session>("/api/login", { login: login.current.value.trim(), password: password.current.value }).then(onDone, (caught: unknown) => {
      setBusy(false);
      setError(asApiError(caught));
      password.current?.select();
    });
  };
  return (
    <main class="gate">
      <form class="login" onSubmit={submit} aria-labelledby="login-title">
        <Logo />
        <h1 id="login-title">{t("login.title")}</h1>
        <p class="sm muted">{expired ? t("login.expired") : t("login.lead")}</p>
        <label class="field"><span>{t("login.login")}</span><input ref={login} name="login" autocomplete="username" autocapitalize="none" spellcheck={false} required /></label>
        <label class="field">
          <span>{t("login.password")}</span>
          <input ref={password} name="password" {...(shown ? { type: "text" as const } : { type: "password" as const })} autocomplete="current-password" required aria-describedby={error ? "login-error" : undefined} aria-invalid={error ? "true" : undefined} />
        </label>
        <label class="check sm"><input type="checkbox" checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} />{t("login.show")}</label>
        {error && <p id="login-error" class="form-error" role="alert">{word("login_error", error.code === "offline" ? "offline" : String(error.status))}</p>}
        <Button look="primary" type="submit" busy={busy}>{t("login.enter")}</Button>
      </form>
      <LocaleChoice />
    </main>
  );
}

export function LocaleChoice() {
  const { t, locale, setLocale } = useI18n();
  const options: { value: Locale; label: string }[] = [{ value: "en", label: "English" }, { value: "zh", label: "中文" }];
  return <Choice label={t("language")} value={locale} options={options} onChange={setLocale} class="bare" />;
}

export function ThemeChoice() {
  const { t } = useI18n();
  const [theme, setTheme] = useTheme();
  return <Choice<Theme> label={t("theme")} value={theme} options={THEMES.map((value) => ({ value, label: t(`theme.${value}`) }))} onChange={setTheme} class="bare" />;
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
