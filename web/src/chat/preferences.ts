/** What the browser remembers of its user's choices. The API key lies apart, and only where the user asked for it. */
import { asBoolean, asText, field, parseJson } from '../api/json.js';
import { readSampling, type Sampling } from '../api/sampling.js';
import { Observable } from '../state/observable.js';

export type Language = 'zh' | 'en';
export type Theme = 'system' | 'light' | 'dark';

export interface Preferences {
  readonly language: Language;
  readonly theme: Theme;
  readonly isSidebarOpen: boolean;
  /** A new conversation begins with what the last one was set to. */
  readonly model: string | null;
  readonly sampling: Sampling;
}

const PREFERENCES = 'xinghe.preferences'; // first-paint.js reads it too.
const KEY = 'xinghe.key';

export function loadPreferences(languages: readonly string[]): Observable<Preferences> {
  const kept = parseJson(read(PREFERENCES) ?? '');
  const language = asText(field(kept, 'language'));
  const theme = asText(field(kept, 'theme'));
  const preferences = new Observable<Preferences>({
    language: language === 'zh' || language === 'en' ? language : preferredLanguage(languages),
    theme: theme === 'light' || theme === 'dark' ? theme : 'system',
    isSidebarOpen: asBoolean(field(kept, 'isSidebarOpen')) ?? true,
    model: asText(field(kept, 'model')) ?? null,
    sampling: readSampling(field(kept, 'sampling')),
  });
  preferences.subscribe(() => write(PREFERENCES, JSON.stringify(preferences.value)));
  return preferences;
}

/** Chinese unless the browser prefers something else before it. */
function preferredLanguage(languages: readonly string[]): Language {
  const first = languages[0] ?? 'zh';
  return first.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export interface ApiKey {
  readonly value: string;
  /** It stays in this browser. Else it is gone with the page. */
  readonly isKept: boolean;
}

export function loadKey(): Observable<ApiKey> {
  const value = read(KEY) ?? '';
  const key = new Observable<ApiKey>({ value, isKept: value !== '' });
  key.subscribe(() => {
    if (key.value.isKept && key.value.value !== '') write(KEY, key.value.value);
    else erase(KEY);
  });
  return key;
}

/** Storage may be forbidden or full: then choices live as long as the page. */
export function read(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

export function write(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Nothing to be done: see `read`.
  }
}

export function erase(name: string): void {
  try {
    localStorage.removeItem(name);
  } catch {
    // Nothing to be done: see `read`.
  }
}
