/** Keys that work everywhere on the page. */
import { useEffect } from 'preact/hooks';
import { MESSAGE_BOX } from './message-box.js';
import { isNarrow } from './narrow.js';
import { useSession } from './session.js';
import { setSidebar } from './sidebar.js';

export function useShortcuts(): void {
  const { workbench, dialog } = useSession();
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.isComposing || event.defaultPrevented) return;
      if (event.key === 'Escape') {
        // A dialog that is open takes it for itself.
        if (document.querySelector('dialog[open]') !== null) return;
        if (isNarrow() && workbench.preferences.value.isSidebarOpen) setSidebar(workbench, false);
        else workbench.stop();
        return;
      }
      if (!(event.ctrlKey || event.metaKey)) return;
      const action = actionOf(event);
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    const actionOf = ({ key, code, altKey }: KeyboardEvent): (() => void) | undefined => {
      if (altKey)
        return code === 'KeyN'
          ? () => {
              workbench.openNew();
              document.getElementById(MESSAGE_BOX)?.focus();
            }
          : undefined;
      switch (key.toLowerCase()) {
        case 'k':
          return () => {
            setSidebar(workbench, true);
            // The list is drawn after this.
            requestAnimationFrame(() =>
              requestAnimationFrame(() => document.getElementById('search')?.focus()),
            );
          };
        case 'b':
          return () => setSidebar(workbench, !workbench.preferences.value.isSidebarOpen);
        case ',':
          return () => dialog.set('conversation');
        case '/':
          return () => dialog.set('shortcuts');
        default:
          return undefined;
      }
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, [workbench, dialog]);
}
