/** Files of records to samples, whatever container and form they have. */
import { InputError } from '../errors/index.js';
import { type FileRecord, type RecordFormat, readRecords, showValue } from '../formats/index.js';
import {
  DETECTION_RECORDS,
  detectForm,
  FormFault,
  type FormOptions,
  formReader,
  isRecord,
  keysOfForm,
  type ReadForm,
  type SampleForm,
  unreadKeys,
} from './forms/index.js';
import { locationOf, type Sample, type SampleOrigin, type SkippedRecord } from './sample.js';

export interface ReadSamplesOptions extends FormOptions {
  /** auto: told by the keys of each file's first records. */
  readonly form: SampleForm | 'auto';
  /** Default: told by each file's content and name. */
  readonly format?: RecordFormat | undefined;
  /** Longest record accepted, in bytes. Default 64 MiB. */
  readonly maxRecordBytes?: number | undefined;
  /** What a faulty record does. Default: stop. */
  readonly onError?: 'stop' | 'skip' | undefined;
  /** Hears of every key that no form reads (`id`, `messages[].name`), record by record. */
  readonly onUnreadKey?: ((key: string, file: string) => void) | undefined;
  /** Hears of every record that is skipped. */
  readonly onSkip?: ((skipped: SkippedRecord) => void) | undefined;
}

/**
 * The samples of all files in order, one at a time.
 * @throws InputError with file and line for the first faulty record, unless they are skipped; and always for a file that
 *   is missing or of no known container, and for records whose form cannot be told
 */
export async function* readSamples(
  files: Iterable<string>,
  options: ReadSamplesOptions,
): AsyncGenerator<Sample, void> {
  for (const file of files) yield* readFile(file, options);
}

async function* readFile(file: string, options: ReadSamplesOptions): AsyncGenerator<Sample, void> {
  const skips = options.onError === 'skip';
  const skip = (line: number, reason: string, message: string): void =>
    options.onSkip?.({ file, line, reason, message });
  const records = readRecords(file, {
    format: options.format,
    maxRecordBytes: options.maxRecordBytes,
    keys: keysOfForm(options.form, options),
    onFault: skips ? ({ line, reason, message }) => skip(line, reason, message) : undefined,
  });
  const { form, head } = await chooseForm(file, records, options);
  const read = formReader(form);
  const keys = keysOfForm(form, options);
  for await (const { line, value } of followedBy(head, records)) {
    if (options.onUnreadKey !== undefined && isRecord(value))
      for (const key of unreadKeys(value, keys)) options.onUnreadKey(key, file);
    const origin = { file, line };
    const sample = toSample(value, origin, read, options);
    if (!(sample instanceof FormFault)) yield sample;
    else {
      const message = `${locationOf(origin)}: ${sample.message}.`;
      if (!skips && sample.reason !== 'nothing to learn') throw new InputError(message);
      skip(line, sample.reason, message);
    }
  }
}

/** The form, and the records that were read to find it. */
async function chooseForm(
  file: string,
  records: AsyncIterator<FileRecord, void>,
  options: ReadSamplesOptions,
): Promise<{ form: SampleForm; head: FileRecord[] }> {
  if (options.form !== 'auto') return { form: options.form, head: [] };
  const head: FileRecord[] = [];
  while (head.length < DETECTION_RECORDS) {
    const next = await records.next();
    if (next.done === true) break;
    head.push(next.value);
  }
  // Records that are no objects are refused in their turn, by any form.
  return { form: detectForm(head, file, options) ?? 'text', head };
}

async function* followedBy<T>(head: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T, void> {
  yield* head;
  yield* rest;
}

function toSample(
  value: unknown,
  origin: SampleOrigin,
  read: ReadForm,
  options: FormOptions,
): Sample | FormFault {
  if (!isRecord(value)) return new FormFault('not a record', `expected an object, got ${showValue(value)}`);
  try {
    return { ...read(value, options), origin };
  } catch (error) {
    if (error instanceof FormFault) return error;
    throw error;
  }
}
