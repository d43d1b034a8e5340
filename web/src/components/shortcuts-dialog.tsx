import type { JSX } from 'preact';
import { Dialog } from './dialog.js';
import { useTexts } from './session.js';

export function ShortcutsDialog(): JSX.Element {
  const say = useTexts();
  const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);
  return (
    <Dialog title={say.shortcuts} kind="card">
      <dl class="shortcuts">
        {say.shortcutList.map(({ keys, does }) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{isMac && key === 'Ctrl' ? '⌘' : key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
