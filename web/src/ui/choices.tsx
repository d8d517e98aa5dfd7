// What somebody chooses for every page: the language and the colours.
import { useI18n, type Locale } from "./i18n.tsx";
import { Choice } from "./parts.tsx";
import { THEMES, useTheme, type Theme } from "./theme.ts";

export function LocaleChoice() {
  const { t, locale, setLocale } = useI18n();
  const options: { value: Locale; label: string }[] = [{ value: "en", label: "English" }, { value: "zh", label: "中文" }];
  return <Choice label={t("language")} value={locale} options={options} onChange={setLocale} class="bare" />;
}

export function ThemeChoice() {
  const { t } = useI18n();
  const [theme, setTheme] = useTheme();
  return <Choice<Theme> label={t("theme")} value={theme} options={THEMES.map((value) => ({ value, label: t(`theme.${value}`) }))} onChange={setTheme} class="bare" />;
}
