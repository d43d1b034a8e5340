/** {"text"}, or another key that holds the document. */
import { type ReadForm, requireText } from './form.js';

export const readText: ReadForm = (record, { textField = 'text' }) => ({
  kind: 'text',
  text: requireText(record, textField),
});
