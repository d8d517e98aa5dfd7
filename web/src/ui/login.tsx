// The log-in page: with the company's account, with a password, or either, as the server offers.
import { useEffect, useRef, useState } from "preact/hooks";
import { asApiError, type Api, type ApiError, type Session } from "./api.ts";
import { LocaleChoice } from "./choices.tsx";
import { useLoad } from "./hooks.ts";
import { useI18n, type Words } from "./i18n.tsx";
import { Logo } from "./icons.tsx";
import { Button, Failed, Loading } from "./parts.tsx";

/** The pages that a log-in may lead back to. */
export type Page = "/console" | "/supervisor";

interface Methods {
  password: boolean;
  oidc: { name: string; url: string } | null;
}

/** Why a log-in at the identity provider led nowhere (`?login=<code>`), and the address without it. */
export function readRefusal(search: string): { refused: string | null; rest: string } {
  const params = new URLSearchParams(search);
  const refused = params.get("login");
  params.delete("login");
  const rest = params.toString();
  return { refused, rest: rest && `?${rest}` };
}

/** The code in words. One that we do not know says nothing of its own: anybody can write an address. */
export function refusalInWords({ t, known }: Words, code: string): string {
  const key = `login_refused.${code}`;
  return t(known(key) ? key : "login_refused.other");
}

/** What is wrong with a password log-in, in words. */
export function errorInWords({ word, known }: Words, error: ApiError): string {
  return word("login_error", known(`login_error.${error.code}`) ? error.code : String(error.status));
}

export function LogIn({ api, page, expired, refused, onDone }: {
  api: Api;
  page: Page;
  expired: boolean;
  refused: string | null;
  onDone: (session: Session) => void;
}) {
  const i18n = useI18n();
  const { t } = i18n;
  const [methods, reload] = useLoad("methods", (signal) => api.get<Methods>("/api/login-methods", signal));
  const { data } = methods;
  return (
    <main class="gate">
      <section class="login" aria-labelledby="login-title">
        <Logo />
        <h1 id="login-title">{t("login.title")}</h1>
        <p class="sm muted">{expired ? t("login.expired") : t("login.lead")}</p>
        {refused && <p class="form-error" role="alert">{refusalInWords(i18n, refused)}</p>}
        {methods.state === "loading" && <Loading label={t("loading")} lines={3} />}
        {methods.state === "error" && <Failed error={methods.error} retry={reload} />}
        {data?.oidc && <a class="btn primary" href={`${data.oidc.url}?to=${page}`}><bdi>{t("login.with", { name: data.oidc.name })}</bdi></a>}
        {data?.oidc && data.password && <p class="login-or xs muted">{t("login.or")}</p>}
        {data?.password && <PasswordForm api={api} first={!data.oidc} onDone={onDone} />}
      </section>
      <LocaleChoice />
    </main>
  );
}

/** `first`: there is no other way in, so it is the page's main one. */
function PasswordForm({ api, first, onDone }: { api: Api; first: boolean; onDone: (session: Session) => void }) {
  const i18n = useI18n();
  const { t } = i18n;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const [shown, setShown] = useState(false);
  const login = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (first) login.current?.focus();
  }, [first]);

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
    <form class="login-form" onSubmit={submit} aria-labelledby="login-title">
      <label class="field"><span>{t("login.login")}</span><input ref={login} name="login" autocomplete="username" autocapitalize="none" spellcheck={false} required /></label>
      <label class="field">
        <span>{t("login.password")}</span>
        <input ref={password} name="password" {...(shown ? { type: "text" as const } : { type: "password" as const })} autocomplete="current-password" required aria-describedby={error ? "login-error" : undefined} aria-invalid={error ? "true" : undefined} />
      </label>
      <label class="check sm"><input type="checkbox" checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} />{t("login.show")}</label>
      {error && <p id="login-error" class="form-error" role="alert">{errorInWords(i18n, error)}</p>}
      <Button look={first ? "primary" : "plain"} type="submit" busy={busy}>{t("login.enter")}</Button>
    </form>
  );
}
