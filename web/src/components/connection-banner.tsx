/** Shows what is wrong with the server, if anything. */
import type { JSX } from 'preact';
import { useValue } from '../state/observable.js';
import { useSession, useTexts } from './session.js';

export function ConnectionBanner(): JSX.Element {
  const { workbench, dialog } = useSession();
  const say = useTexts();
  const { connection, chatFault } = useValue(workbench.server.view);
  const text = {
    unknown: '',
    ready: '',
    returned: say.connectionReturned,
    loading: say.connectionLoading,
    unreachable: say.connectionUnreachable,
    'key-needed': say.connectionKeyNeeded,
  }[connection];
  return (
    <div class="connection" role="status" data-state={connection}>
      {text !== '' && <span>{text}</span>}
      {text === '' && chatFault !== undefined && <span>{say.cannotChat(chatFault)}</span>}
      {connection === 'key-needed' && (
        <button type="button" class="link" onClick={() => dialog.set('key')}>
          {say.enterKey}
        </button>
      )}
    </div>
  );
}
