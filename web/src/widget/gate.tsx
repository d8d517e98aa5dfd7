/** Before the first message, where the shop asks for it: consent, and who a guest is. Nothing has been sent or kept until then. */
import { useState } from "preact/hooks";
import { useChat } from "./context.ts";
import { ownAddress } from "./safe.ts";

export function Gate() {
  const { said, gate, page, origins, enter } = useChat();
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [agreed, setAgreed] = useState(false);
  if (!gate) return null;
  const notice = ownAddress(gate.privacy, page, origins);
  return (
    <form
      class="form gate"
      onSubmit={(event) => {
        event.preventDefault();
        enter({ name: name.trim(), email: email.trim() });
      }}
    >
      <p>{said.t("greeting")}</p>
      {gate.ask.includes("name") && (
        <label>
          {said.t("gate_name")}
          <input value={name} maxLength={200} autocomplete="name" onInput={(event) => setName(event.currentTarget.value)} />
        </label>
      )}
      {gate.ask.includes("email") && (
        <label>
          {said.t("gate_email")}
          <input
            type="email"
            value={email}
            maxLength={320}
            autocomplete="email"
            onInput={(event) => setEmail(event.currentTarget.value)}
          />
        </label>
      )}
      {gate.privacy && (
        <>
          <label class="agree">
            <input type="checkbox" required checked={agreed} onChange={(event) => setAgreed(event.currentTarget.checked)} />
            {said.t("gate_agree")}
          </label>
          {notice && (
            <a href={notice} target="_blank" rel="noreferrer">
              {said.t("gate_notice")}
            </a>
          )}
        </>
      )}
      <button type="submit" class="primary">
        {said.t("gate_go")}
      </button>
    </form>
  );
}
