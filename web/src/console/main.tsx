import { render } from "preact";
import en from "../strings/console.en.json";
import zh from "../strings/console.zh.json";
import uiEn from "../strings/ui.en.json";
import uiZh from "../strings/ui.zh.json";
import { I18nProvider } from "../ui/i18n.tsx";
import { SessionGate } from "../ui/session.tsx";
import { Console } from "./app.tsx";
import "../ui/base.css";
import "./console.css";

const catalogue = { en: { ...uiEn, ...en }, zh: { ...uiZh, ...zh } };

render(
  <I18nProvider catalogue={catalogue}>
    <SessionGate page="/console" roles={["agent", "supervisor", "admin"]}>{(signedIn) => <Console {...signedIn} />}</SessionGate>
  </I18nProvider>,
  document.getElementById("app")!,
);
