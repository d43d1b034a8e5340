/** What every component may reach: the workbench, the user's choices, the texts of the chosen language. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { ApiKey } from '../chat/preferences.js';
import type { Workbench } from '../chat/workbench.js';
import type { StorageFault } from '../conversation/lasting-storage.js';
import { Observable, useObserved } from '../state/observable.js';
import { type Texts, texts } from '../texts/texts.js';

export type DialogName = 'conversation' | 'preferences' | 'personas' | 'shortcuts' | 'key';

export interface Session {
  readonly workbench: Workbench;
  readonly key: Observable<ApiKey>;
  /** What keeps the browser from keeping; undefined: nothing. */
  readonly storageFault: Observable<StorageFault | undefined>;
  readonly dialog: Observable<DialogName | undefined>;
  /** A short word at the foot of the page, and to screen readers. */
  readonly notice: Observable<string>;
  /** To screen readers alone. */
  readonly announcement: Observable<string>;
  /** The text that the message box should take up; counted, so that the same text can come twice. */
  readonly proposal: Observable<{ readonly text: string; readonly count: number }>;
  readonly search: Observable<string>;
  /** The message that is being edited. */
  readonly editing: Observable<string | undefined>;
}

export function createSession(
  workbench: Workbench,
  key: Observable<ApiKey>,
  storageFault: Observable<StorageFault | undefined>,
): Session {
  return {
    workbench,
    key,
    storageFault,
    dialog: new Observable<DialogName | undefined>(undefined),
    notice: new Observable(''),
    announcement: new Observable(''),
    proposal: new Observable({ text: '', count: 0 }),
    search: new Observable(''),
    editing: new Observable<string | undefined>(undefined),
  };
}

export const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error('a component stands outside of the session');
  return session;
}

export function useTexts(): Texts {
  return texts[useObserved(useSession().workbench.preferences, ({ language }) => language)];
}
