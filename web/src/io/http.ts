/** JSON over HTTP with typed failures: a call never throws. */

export type Answer<T> = { ok: true; value: T } | { ok: false; code: string; retry: boolean; after?: number | undefined };

const DEADLINE_MS = 15_000;

/** Calls `path` of our own origin. Without a body it is a GET. A network failure is `retry` with code `network`. */
export async function call<T>(path: string, token?: string | null, body?: unknown): Promise<Answer<T>> {
  try {
    const response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
      body: body ? JSON.stringify(body) : null,
      credentials: "omit",
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const value = await response.json().catch(() => null);
    if (response.ok && value !== null) return { ok: true, value: value as T };
    const after = Number(response.headers.get("Retry-After"));
    return {
      ok: false,
      code: typeof value?.code === "string" ? value.code : "error",
      retry: value?.retryable === true || response.status >= 500,
      after: after > 0 ? after * 1000 : undefined,
    };
  } catch {
    return { ok: false, code: "network", retry: true };
  }
}
