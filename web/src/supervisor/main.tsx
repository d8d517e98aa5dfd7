import { render } from "preact";
import en from "../strings/supervisor.en.json";
import zh from "../strings/supervisor.zh.json";
import uiEn from "../strings/ui.en.json";
import uiZh from "../strings/ui.zh.json";
import { I18nProvider } from "../ui/i18n.tsx";
import { SessionGate } from "../ui/session.tsx";
import { Supervisor } from "./app.tsx";
import "../ui/base.css";
import "./supervisor.css";

const catalogue = { en: { ...uiEn, ...en }, zh: { ...uiZh, ...zh } };

render(
  <I18nProvider catalogue={catalogue}>
    <SessionGate page="/supervisor" roles={["supervisor", "admin"]}>{(signedIn) => <Supervisor {...signedIn} />}</SessionGate>
  </I18nProvider>,
  document.getElementById("app")!,
);
