/** Nobody is there: where and when to call back. Stands under the word that says so until it is answered, or a person comes. */
import { useState } from "preact/hooks";
import { useChat } from "./context.ts";

export function CallBack() {
  const { state, said, call, toHost } = useChat();
  const [email, setEmail] = useState("");
  const [phone, setPhone] = useState("");
  const [suits, setSuits] = useState("");
  const [step, setStep] = useState<"asleep" | "sending" | "failed">("asleep");
  const asked = state.events.findLast((ev) => ev.kind === "waiting" || ev.kind === "callback");
  if (state.mode !== "waiting" || asked?.kind !== "waiting" || asked.data.callback !== true) return null;
  const opens = asked.data.opens_at;
  const send = async (event: Event) => {
    event.preventDefault();
    setStep("sending");
    const { ok } = await call("callback", {
      email: email.trim() || undefined,
      phone: phone.trim() || undefined,
      suits: suits.trim() || undefined,
      timezone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
      consent: true,
    });
    setStep(ok ? "asleep" : "failed");
    if (ok) toHost({ t: "event", name: "callback", detail: {} });
  };
  return (
    <form class="form ending" aria-label={said.t("callback")} onSubmit={(event) => void send(event)}>
      <strong>{said.t("callback")}</strong>
      {typeof opens === "number" && <small>{said.t("callback_opens", { time: said.day(opens, Date.now()) })}</small>}
      <label>
        {said.t("callback_email")}
        <input type="email" value={email} maxLength={320} required={!phone.trim()} autocomplete="email" onInput={(event) => setEmail(event.currentTarget.value)} />
      </label>
      <label>
        {said.t("callback_phone")}
        <input
          type="tel"
          value={phone}
          maxLength={40}
          required={!email.trim()}
          pattern="\+?([ \(\)\.\/\-]{0,3}[0-9]){5,20}[ \(\)\.\/\-]{0,3}"
          autocomplete="tel"
          onInput={(event) => setPhone(event.currentTarget.value)}
        />
      </label>
      <label>
        {said.t("callback_suits")}
        <input value={suits} maxLength={200} placeholder={said.t("callback_example")} onInput={(event) => setSuits(event.currentTarget.value)} />
      </label>
      <small>{said.t("callback_consent")}</small>
      <button type="submit" class="primary" disabled={step === "sending"}>
        {said.t("callback_send")}
      </button>
      {step === "failed" && (
        <small class="bad" role="alert">
          {said.t("call_failed")}
        </small>
      )}
    </form>
  );
}
