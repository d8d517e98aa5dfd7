// Light, dark, or as the system has it.
import { useEffect, useState } from "preact/hooks";
import { recall, remember } from "./i18n.tsx";

export type Theme = "auto" | "light" | "dark";
export const THEMES: readonly Theme[] = ["auto", "light", "dark"];
const KEY = "staywell.theme";

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(() => {
    const stored = recall(KEY);
    return stored === "light" || stored === "dark" ? stored : "auto";
  });
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    remember(KEY, theme);
  }, [theme]);
  return [theme, setTheme];
}
