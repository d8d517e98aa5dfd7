/** The few words outside the iframe; a host page may give others with `Staywell.words`. */
const en = {
  open: "Chat with us",
  close: "Close the chat",
  chat: "Chat",
  unread: "Chat, {n} unread",
  failed: "The chat cannot be reached just now.",
  retry: "Try again",
};

export type LauncherWords = typeof en;

const zh: LauncherWords = {
  open: "联系客服",
  close: "关闭聊天",
  chat: "客服聊天",
  unread: "客服聊天，{n} 条未读",
  failed: "暂时无法连接客服。",
  retry: "重试",
};

/** Words of a locale, with the page's own (keys `launcher.*`) before ours. */
export function launcherWords(locale: string, own: Readonly<Record<string, string>> = {}): LauncherWords {
  const words = { ...(locale.startsWith("zh") ? zh : en) };
  for (const key of Object.keys(words) as (keyof LauncherWords)[]) words[key] = own[`launcher.${key}`] ?? words[key];
  return words;
}
