/** The box that messages are written in, found from anywhere on the page. */
import { hasKeyboard } from './send-key.js';

export const MESSAGE_BOX = 'message-box';

/** Where typing goes on. Not on a telephone: its keyboard would cover what one wants to read. */
export function returnToMessageBox(): void {
  if (hasKeyboard()) document.getElementById(MESSAGE_BOX)?.focus();
}
