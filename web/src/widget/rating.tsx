/** The end of a conversation: how it was, and how to begin again. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useChat } from "./context.ts";

const SCORES = [1, 2, 3, 4, 5] as const;

export function Rating() {
  const { said, state, call, toHost, dispatch } = useChat();
  const [score, setScore] = useState(0);
  const [comment, setComment] = useState("");
  const [step, setStep] = useState<"open" | "sending" | "failed" | "sent">("open");
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.scrollIntoView({ block: "end" }), [score > 0, step]);
  const rated = step === "sent" || state.events.some((ev) => ev.kind === "csat");
  const send = async (event: Event) => {
    event.preventDefault();
    setStep("sending");
    const { ok } = await call("csat", { score, ...(comment.trim() && { comment: comment.trim() }) });
    setStep(ok ? "sent" : "failed");
    if (ok) toHost({ t: "event", name: "csat", detail: { score } });
  };
  return (
    <div class="ending" ref={box}>
      {rated ? (
        <p role="status">{said.t("csat_thanks")}</p>
      ) : (
        <form onSubmit={(event) => void send(event)}>
          <fieldset>
            <legend>{said.t("csat")}</legend>
            {SCORES.map((value) => (
              <label key={value} class={value <= score ? "lit" : ""} title={said.t(`csat_${value}`)}>
                <input
                  type="radio"
                  name="score"
                  value={value}
                  checked={score === value}
                  aria-label={said.t(`csat_${value}`)}
                  onChange={() => setScore(value)}
                />
                <span aria-hidden="true">★</span>
              </label>
            ))}
          </fieldset>
          {score > 0 && (
            <>
              <textarea
                rows={2}
                maxLength={1000}
                value={comment}
                placeholder={said.t("csat_comment")}
                aria-label={said.t("csat_comment")}
                onInput={(event) => setComment(event.currentTarget.value)}
              />
              <button type="submit" class="primary" disabled={step === "sending"}>
                {said.t("csat_send")}
              </button>
            </>
          )}
          {step === "failed" && <small role="alert">{said.t("call_failed")}</small>}
        </form>
      )}
      <button type="button" class={rated ? "primary" : "ghost"} onClick={() => dispatch({ on: "new_chat" })}>
        {said.t("new_chat")}
      </button>
    </div>
  );
}
