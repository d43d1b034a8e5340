/** {"text"}, or another key that holds the document. */
import { FormFault, type ReadForm, requireAnswer } from './form.js';
import { learnedByKeys } from './learned-keys.js';

/** An empty text is one, for who only reads; the recipes leave it out. */
export const readText: ReadForm = (record, { textField = 'text' }) => {
  const text = requireAnswer(record, textField);
  if (learnedByKeys(record) === false)
    throw new FormFault('nothing to learn', 'the text is marked as not to be learned');
  return { kind: 'text', text };
};
