/** The dialogs that are opened by hand, in a chunk of their own. */
import type { JSX } from 'preact';
import { ConversationDialog } from './conversation-dialog.js';
import { PersonasDialog } from './personas-dialog.js';
import { PreferencesDialog } from './preferences-dialog.js';
import type { DialogName } from './session.js';
import { ShortcutsDialog } from './shortcuts-dialog.js';

export function OpenedDialog({ name }: { readonly name: Exclude<DialogName, 'key'> }): JSX.Element {
  switch (name) {
    case 'conversation':
      return <ConversationDialog />;
    case 'preferences':
      return <PreferencesDialog />;
    case 'personas':
      return <PersonasDialog />;
    case 'shortcuts':
      return <ShortcutsDialog />;
    default:
      return name satisfies never;
  }
}
