/** Which form a file's records have, told by the keys of the first ones. */
import { InputError } from '../../errors/index.js';
import type { FileRecord } from '../../formats/index.js';
import { type FormOptions, isRecord, type JsonRecord, keysOf } from './form.js';
import type { SampleForm } from './sample-form.js';

/** Records that are looked at. */
export const DETECTION_RECORDS = 32;

/**
 * @param path names the file in messages
 * @throws InputError if no form fits, several do, or the records differ
 */
export function detectForm(
  records: readonly FileRecord[],
  path: string,
  options: FormOptions = {},
): SampleForm | undefined {
  let found: SampleForm | undefined;
  for (const { line, value } of records) {
    if (!isRecord(value)) continue;
    const location = `${path}:${line}`;
    const forms = formsOf(value, options);
    const [form] = forms;
    if (form === undefined && Object.hasOwn(value, 'chosen') && Object.hasOwn(value, 'rejected'))
      throw new InputError(
        `${location}: the record has two answers, chosen and rejected; a training run reads such files itself (data.form: preference ` +
          'with training.objective), they are not prepared.',
      );
    if (form === undefined)
      throw new InputError(
        `${location}: the form of the record is not known; keys found: ${keysOf(value)}. Name the form, or the key of a text.`,
      );
    if (forms.length > 1)
      throw new InputError(
        `${location}: the record could be of the forms ${forms.join(' and ')}; name the one to read.`,
      );
    if (found !== undefined && form !== found)
      throw new InputError(
        `${location}: a record of the form ${form} after records of the form ${found}; name the form.`,
      );
    found = form;
  }
  return found;
}

function formsOf(record: JsonRecord, { textField = 'text' }: FormOptions): SampleForm[] {
  const has = (key: string): boolean => Object.hasOwn(record, key);
  const forms: SampleForm[] = [];
  if (has('messages')) forms.push('messages');
  if (has('conversations')) forms.push('sharegpt');
  if (has('instruction') && has('output')) forms.push('alpaca');
  else if (has('input') && has('output')) forms.push('telechat');
  if (has('dialog')) forms.push('telechat');
  if (has(textField)) forms.push('text');
  return forms;
}
