import i18next, { type i18n as I18n } from 'i18next';
import type { Locale } from '../../src/contract/ipc.ts';
import { en } from './en.ts';
import { zhCN } from './zh-CN.ts';

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

export const i18n: I18n = i18next.createInstance();
void i18n.init({
  lng: 'en',
  fallbackLng: 'en',
  resources: { en: { translation: en }, 'zh-CN': { translation: zhCN } },
  // React escapes by itself.
  interpolation: { escapeValue: false },
  initAsync: false,
});

/** Texts and the page's own language change together, so that screen readers and fonts follow. */
export function setLanguage(locale: Locale): void {
  document.documentElement.lang = locale;
  if (i18n.language !== locale) void i18n.changeLanguage(locale);
}
