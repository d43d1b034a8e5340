/** Files of preference records, in any container that holds records. */
import { InputError } from '../../errors/index.js';
import { readRecords, showValue } from '../../formats/index.js';
import { FormFault, isRecord, unreadKeys } from '../forms/index.js';
import { locationOf, type SampleOrigin, type SkippedRecord } from '../sample.js';
import {
  type PreferenceOptions,
  type PreferenceRecord,
  preferenceKeys,
  readPreference,
} from './preference-record.js';

export interface ReadPreferencesOptions extends PreferenceOptions {
  /** Hears of every record that teaches nothing: answers that are empty or the same. */
  readonly onSkip: (skipped: SkippedRecord) => void;
  /** Hears of every key of a record that is not read. */
  readonly onUnreadKey?: ((key: string) => void) | undefined;
}

/** Records that are no fault of their file, and teach nothing. */
const SKIPPED: readonly FormFault['reason'][] = ['nothing to learn', 'same answers'];

/** @throws InputError with file and line for the first faulty record */
export async function* readPreferences(
  files: Iterable<string>,
  { onSkip, onUnreadKey, ...options }: ReadPreferencesOptions,
): AsyncGenerator<PreferenceRecord & { readonly origin: SampleOrigin }, void> {
  const keys = preferenceKeys(options);
  for (const file of files)
    for await (const { line, value } of readRecords(file, { keys })) {
      const origin = { file, line };
      if (onUnreadKey !== undefined && isRecord(value))
        for (const key of unreadKeys(value, keys)) onUnreadKey(key);
      const read = attempt(value, options);
      if (!(read instanceof FormFault)) {
        yield { ...read, origin };
        continue;
      }
      const message = `${locationOf(origin)}: ${read.message}.`;
      if (!SKIPPED.includes(read.reason)) throw new InputError(message);
      onSkip({ ...origin, reason: read.reason, message });
    }
}

function attempt(value: unknown, options: PreferenceOptions): PreferenceRecord | FormFault {
  if (!isRecord(value)) return new FormFault('not a record', `expected an object, got ${showValue(value)}`);
  try {
    return readPreference(value, options);
  } catch (error) {
    if (error instanceof FormFault) return error;
    throw error;
  }
}
