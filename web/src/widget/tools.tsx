/** Tools under the text field: the language, the end of the chat, the transcript. */
import { useState } from "preact/hooks";
import { useChat } from "./context.ts";
import { languageName } from "./figures.ts";
import { saveTranscript } from "./save.ts";

export function Tools() {
  const { state, said, setLocale, call } = useChat();
  const [step, setStep] = useState<"asleep" | "sure" | "failed">("asleep");
  const talking = state.events.length > 0;
  const end = async () => setStep((await call("resolve", {})).ok ? "asleep" : "failed");
  if (step === "sure") {
    return (
      <span role="alertdialog" aria-label={said.t("end_sure")}>
        {said.t("end_sure")}{" "}
        <button type="button" class="bad" onClick={() => void end()}>
          {said.t("end_yes")}
        </button>{" "}
        <button type="button" onClick={() => setStep("asleep")}>
          {said.t("end_no")}
        </button>
      </span>
    );
  }
  return (
    <>
      <select aria-label={said.t("language")} value={said.locale} onChange={(event) => setLocale(event.currentTarget.value)}>
        {said.choices.map((tag) => (
          <option key={tag} value={tag} lang={tag}>
            {languageName(tag)}
          </option>
        ))}
      </select>
      <span class="space bad" role="alert">
        {step === "failed" && said.t("call_failed")}
      </span>
      {talking && state.mode !== "resolved" && (
        <button type="button" onClick={() => setStep("sure")}>
          {said.t("end")}
        </button>
      )}
      {talking && (
        <button type="button" onClick={saveTranscript}>
          {said.t("transcript")}
        </button>
      )}
    </>
  );
}
