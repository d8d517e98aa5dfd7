/**
 * The subject that an identity JWT names. Nothing is verified here, that is the server's part: it only tells whether the contact
 * has become somebody else. A token that cannot be read gets a subject of its own, so that nothing is carried over.
 */
export function subjectOf(jwt: string | undefined): string | null {
  if (!jwt) return null;
  try {
    const payload = (jwt.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === "string" ? sub : jwt;
  } catch {
    return jwt;
  }
}
