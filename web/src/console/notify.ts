// Telling an agent who looks elsewhere: the title of the page, a sound, a notification of the desktop.
import { useEffect, useRef, useState } from "preact/hooks";
import { useI18n, recall, remember } from "../ui/i18n.tsx";
import { displayName, oneLine } from "../ui/text.ts";
import { useDesk } from "./context.ts";
import { attention } from "./state.ts";

export function useToggle(key: string, start: boolean): [boolean, (on: boolean) => void] {
  const [on, setOn] = useState(() => (recall(key) ?? String(start)) === "true");
  return [on, (next) => { setOn(next); remember(key, String(next)); }];
}

/** Two short tones, rising for an offer. Browsers stay silent before the first press on the page. */
function chime(rising: boolean): void {
  try {
    const context = new AudioContext();
    const gain = context.createGain();
    gain.connect(context.destination);
    const start = context.currentTime;
    gain.gain.setValueAtTime(0.0001, start);
    gain.gain.exponentialRampToValueAtTime(0.12, start + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, start + 0.45);
    for (const [i, pitch] of (rising ? [587, 784] : [659, 659]).entries()) {
      const tone = context.createOscillator();
      tone.frequency.value = pitch;
      tone.connect(gain);
      tone.start(start + i * 0.16);
      tone.stop(start + i * 0.16 + 0.22);
    }
    setTimeout(() => void context.close(), 800);
  } catch {
    // no sound device
  }
}

/** A notification that leads to the window, and to what it tells of. */
function notice(title: string, options: NotificationOptions, pressed: () => void): void {
  try {
    const shown = new Notification(title, options);
    shown.onclick = () => {
      window.focus();
      pressed();
      shown.close();
    };
  } catch {
    // phones show none without a service worker
  }
}

export function useNotices({ sound, desktop, onOpen }: { sound: boolean; desktop: boolean; onOpen: (conv: string) => void }): void {
  const { t, word } = useI18n();
  const desk = useDesk((state) => state.desk);
  const { offers, unread, mentions } = useDesk((state) => state.desk && attentionOf(state)) ?? NOTHING;
  const open = useRef(onOpen);
  open.current = onOpen;
  const before = useRef<{ offers: Set<string>; unread: Map<string, number>; mentions: Set<string> } | null>(null);
  useEffect(() => {
    const count = offers + unread + mentions;
    document.title = `${count ? `(${count}) ` : ""}${offers ? t("title.offer") : t("title")}`;
  }, [offers, unread, mentions, t]);
  useEffect(() => {
    if (!desk) return;
    const now = {
      offers: new Set(desk.offered.map((card) => card.offer ?? card.task)),
      unread: new Map(desk.mine.map((card) => [card.conv, card.unread])),
      mentions: new Set(desk.mentions.map((mention) => mention.note)),
    };
    const was = before.current;
    before.current = now;
    if (!was) return;
    const offered = desk.offered.filter((card) => !was.offers.has(card.offer ?? card.task));
    const spoken = desk.mine.filter((card) => card.unread > (was.unread.get(card.conv) ?? 0) && document.hidden);
    const mentioned = desk.mentions.filter((mention) => !mention.read && !was.mentions.has(mention.note));
    if (sound && (offered.length || spoken.length || mentioned.length)) chime(offered.length > 0);
    if (!desktop || !document.hidden || typeof Notification === "undefined" || Notification.permission !== "granted") return;
    const show = (conv: string, title: string, tag: string, body: string): void => notice(title, { body, tag }, () => open.current(conv));
    for (const card of offered) show(card.conv, t("notify.offer", { name: displayName(card.name, t("who.guest")) }), card.task, word("task_reason", card.reason));
    for (const card of spoken) show(card.conv, displayName(card.name, t("who.guest")), card.conv, oneLine(card.preview, 120));
    for (const mention of mentioned) show(mention.conv, t("notify.mention", { name: displayName(mention.agent) }), mention.note, oneLine(mention.body, 120));
  }, [desk, sound, desktop, t, word]);
}

/** The same object while the numbers are the same, so that nothing renders for nothing. */
const NOTHING = { offers: 0, unread: 0, mentions: 0 };
let last = NOTHING;
function attentionOf(state: Parameters<typeof attention>[0]): typeof last {
  const now = attention(state);
  if (now.offers !== last.offers || now.unread !== last.unread || now.mentions !== last.mentions) last = now;
  return last;
}

/** Asks the browser for leave; true when notifications may be shown. */
export async function allowDesktop(): Promise<boolean> {
  if (typeof Notification === "undefined") return false;
  return (await Notification.requestPermission()) === "granted";
}
