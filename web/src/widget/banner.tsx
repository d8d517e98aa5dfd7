/** What is wrong with the connection, and what the contact can do about it. */
import { useEffect, useState } from "preact/hooks";
import { banner } from "../core/chat/timeline.ts";
import { useChat } from "./context.ts";

/** A connection that is made faster than this is not worth a word. */
const PATIENCE_MS = 600;

export function Banner() {
  const { state, said, dispatch } = useChat();
  const [patient, setPatient] = useState(true);
  const what = banner(state);
  useEffect(() => {
    setPatient(true);
    const timer = setTimeout(() => setPatient(false), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [what]);
  const shown = what === "connecting" && patient ? null : what;
  return (
    <div class={`banner ${shown ?? ""}`} role="status">
      {shown && <span>{said.t(shown)}</span>}
      {(shown === "refused" || shown === "connecting") && (
        <button type="button" onClick={() => dispatch({ on: "start" })}>
          {said.t("again")}
        </button>
      )}
    </div>
  );
}
