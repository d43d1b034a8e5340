/** Asks for the key before anything is written, so that nobody types it into a conversation. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useObserved } from '../state/observable.js';
import { Dialog } from './dialog.js';
import { KeyField } from './key-field.js';
import { returnToMessageBox } from './message-box.js';
import { useSession, useTexts } from './session.js';

export function KeyDialog(): JSX.Element {
  const say = useTexts();
  return (
    <Dialog title={say.enterKey} kind="card">
      <p>{say.connectionKeyNeeded}</p>
      <KeyField isFirst />
    </Dialog>
  );
}

/** It comes when the server wants a key, and goes when that has one. */
export function useKeyDialog(): void {
  const { workbench, dialog } = useSession();
  const connection = useObserved(workbench.server.view, (view) => view.connection);
  useEffect(() => {
    if (connection === 'key-needed' && dialog.value === undefined) dialog.set('key');
    if (connection !== 'ready' || dialog.value !== 'key') return;
    dialog.set(undefined);
    // After the dialog has gone, and given the focus back to where it was.
    requestAnimationFrame(() => requestAnimationFrame(returnToMessageBox));
  }, [connection, dialog]);
}
