/** What a reader chose, remembered by the browser where it may. */
import type { Language } from './texts.js';

export type Theme = 'auto' | 'light' | 'dark';

export function asTheme(value: string | null): Theme {
  return value === 'light' || value === 'dark' ? value : 'auto';
}

/** The one chosen before, else the browser's. */
export function chosenLanguage(): Language {
  const known = remembered('language');
  if (known === 'zh' || known === 'en') return known;
  return navigator.language.startsWith('zh') ? 'zh' : 'en';
}

/** A browser may refuse to remember. */
export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(`xinghe-watch-${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`xinghe-watch-${key}`, value);
  } catch {
    // The choice then holds until the page is left.
  }
}
