// Notes that speak to the agent: who wrote them, about whom, and whether they were read.
import { useLayoutEffect, useRef } from "preact/hooks";
import { useNow } from "../ui/hooks.ts";
import { useI18n } from "../ui/i18n.tsx";
import { Dialog, Name, cx } from "../ui/parts.tsx";
import { oneLine } from "../ui/text.ts";
import { useDesk, type Place } from "./context.ts";

export function MentionsDialog({ goTo, onClose }: { goTo: (place: Place) => void; onClose: () => void }) {
  const { t, f } = useI18n();
  const mentions = useDesk((state) => state.desk?.mentions) ?? [];
  const now = useNow(30_000);
  const list = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => list.current?.querySelector("button")?.focus(), []);
  return (
    <Dialog title={t("mentions.title")} onClose={onClose} class="search">
      {mentions.length === 0 && <p class="sm muted">{t("mentions.none")}</p>}
      <ul class="hits" ref={list}>
        {mentions.map((mention) => (
          <li key={mention.note}>
            <button type="button" class={cx("hit mention", !mention.read && "unread")} onClick={() => { onClose(); goTo({ conv: mention.conv, note: mention.note }); }}>
              <span class="row">
                <span class="clip"><Name name={mention.name} fallback={t("who.guest")} /></span>
                <span class="sp" />
                {!mention.read && <span class="tag">{t("mentions.new")}</span>}
                <span class="xs muted num">{f.ago(mention.at, now)}</span>
              </span>
              <span class="sm lines-3"><bdi>{t("mentions.by", { name: oneLine(mention.agent, 40), said: oneLine(mention.body) })}</bdi></span>
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
