/** What a reader chose, remembered by the browser where it may. */
import type { Language } from './texts.js';

export type Theme = 'auto' | 'light' | 'dark';

export function chosenTheme(): Theme {
  const known = remembered('theme');
  return known === 'light' || known === 'dark' ? known : 'auto';
}

/** The one chosen before, else the browser's. */
export function chosenLanguage(): Language {
  const known = remembered('language');
  if (known === 'zh' || known === 'en') return known;
  return navigator.language.startsWith('zh') ? 'zh' : 'en';
}

export function remember(key: 'theme' | 'language', value: string): void {
  try {
    localStorage.setItem(`xinghe-report-${key}`, value);
  } catch {
    // The choice then holds until the page is left.
  }
}

function remembered(key: 'theme' | 'language'): string | null {
  try {
    return localStorage.getItem(`xinghe-report-${key}`);
  } catch {
    return null;
  }
}
