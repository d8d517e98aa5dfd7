// Calls to our own server. Errors are `{code, message, retryable}` (docs/http.md); anything else becomes one of the same shape.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryable: boolean,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** Whatever was thrown, as an error of ours. */
export const asApiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(0, "bug", String(error), false);

export interface Agent {
  id: string;
  name: string;
  role: "agent" | "supervisor" | "admin";
  site?: unknown;
  languages: string[];
  capacity: number;
}

export interface Session {
  agent: Agent;
  csrf: string;
}

export class Api {
  private csrf = "";
  /** Called when the server no longer knows this session. */
  onExpired: () => void = () => undefined;

  use(session: Session | null): void {
    this.csrf = session?.csrf ?? "";
  }

  get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.call<T>("GET", path, undefined, signal);
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.call<T>("POST", path, body);
  }

  delete<T>(path: string): Promise<T> {
    return this.call<T>("DELETE", path);
  }

  private async call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (method !== "GET") headers["X-CSRF"] = this.csrf;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(path, {
        method,
        headers,
        credentials: "same-origin",
        cache: "no-store",
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ?? null,
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, "offline", "no connection", true);
    }
    const data = (await response.json().catch(() => null)) as Partial<Record<"code" | "message" | "retryable", unknown>> | null;
    if (response.ok && data !== null) return data as T;
    const code = typeof data?.code === "string" ? data.code : `http_${response.status}`;
    if (response.status === 401 && path !== "/api/login" && path !== "/api/me") this.onExpired();
    throw new ApiError(
      response.status,
      code,
      typeof data?.message === "string" ? data.message : code,
      data?.retryable === true || response.status >= 500,
    );
  }
}

/** `?a=1&b=2` of the entries that say something. */
export function query(params: Readonly<Record<string, string | number | null | undefined>>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") search.set(key, String(value));
  }
  const text = search.toString();
  return text && `?${text}`;
}
