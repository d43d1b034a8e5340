/** Loads the dialogs when the first of them is opened. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useValue } from '../state/observable.js';
import { useSession, useTexts } from './session.js';

type Dialogs = typeof import('./dialogs.js');

let loaded: Dialogs | undefined;

export function LazyDialog(): JSX.Element | null {
  const { dialog, notice } = useSession();
  const say = useTexts();
  const opened = useValue(dialog);
  const [dialogs, setDialogs] = useState(loaded);
  const isWanted = opened !== undefined && opened !== 'key';
  useEffect(() => {
    if (!isWanted || dialogs !== undefined) return;
    import('./dialogs.js').then(
      (module) => {
        loaded = module;
        setDialogs(module);
      },
      () => {
        // The server is away; what is open already goes on.
        notice.set(say.failures.unreachable);
        dialog.set(undefined);
      },
    );
  }, [isWanted, dialogs, dialog, notice, say]);
  if (dialogs === undefined || !isWanted) return null;
  return <dialogs.OpenedDialog name={opened} />;
}
