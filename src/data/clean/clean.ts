/** Cleaning of texts: Spark's published rule, and general steps that a caller picks. */
import { locationOf, mapSampleTexts, type Sample, type SkippedRecord, sampleTexts } from '../sample.js';

/**
 * Spark's rule for every text: strip; the escapes `\r\n` and `\n` spelt out become newlines (a
 * real carriage return stays). Its tokenizer then writes a newline as `<ret>` (`newlineToken`), so that text and tokens go back and forth.
 */
export function cleanSparkText(text: string): string {
  return text.trim().replace(/\\r\\n|\\n/g, '\n');
}

export interface CleanOptions {
  /** cleanSparkText. */
  readonly spark?: boolean | undefined;
  /** Unicode normalisation; NFKC also turns full-width letters and digits into plain ones. */
  readonly unicode?: 'NFC' | 'NFKC' | undefined;
  /** Removes control and format characters but newline and tab: C0, C1, zero-width space, byte order mark. */
  readonly controlCharacters?: boolean | undefined;
  /** U+3000 and the other wide or hard spaces become a plain space. */
  readonly fullWidthSpaces?: boolean | undefined;
  /** Three and more newlines in a row become two; spaces at the end of lines go. */
  readonly blankLines?: boolean | undefined;
  /** Spaces and newlines around a text go. */
  readonly trim?: boolean | undefined;
  /** Fewest and most characters (code points) of all texts of a sample together. */
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
}

interface Step {
  readonly name: string;
  readonly apply: (text: string) => string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]/g;
const WIDE_SPACE = /[\u00a0\u2000-\u200a\u202f\u205f\u3000]/g;

function stepsOf(options: CleanOptions): Step[] {
  const { unicode } = options;
  const steps: Step[] = [];
  if (options.spark) steps.push({ name: 'spark', apply: cleanSparkText });
  if (unicode !== undefined) steps.push({ name: unicode, apply: (text) => text.normalize(unicode) });
  if (options.controlCharacters)
    steps.push({
      name: 'control characters',
      apply: (text) => text.replace(/\r\n?/g, '\n').replace(CONTROL, ''),
    });
  if (options.fullWidthSpaces)
    steps.push({ name: 'full-width spaces', apply: (text) => text.replace(WIDE_SPACE, ' ') });
  if (options.blankLines)
    steps.push({
      name: 'blank lines',
      apply: (text) => text.replace(/[ \t]+(?=\n)/g, '').replace(/\n{3,}/g, '\n\n'),
    });
  if (options.trim) steps.push({ name: 'trim', apply: (text) => text.trim() });
  return steps;
}

/** Cleans one sample after the other and counts what each step changed. */
export class Cleaner {
  readonly #steps: readonly Step[];
  readonly #options: CleanOptions;
  readonly #changed = new Map<string, number>();

  constructor(options: CleanOptions) {
    this.#options = options;
    this.#steps = stepsOf(options);
  }

  /** Samples that each step changed, in the order of the steps. */
  get changed(): ReadonlyMap<string, number> {
    return this.#changed;
  }

  /** The cleaned sample, or why it is left out. */
  clean(sample: Sample): Sample | SkippedRecord {
    let cleaned = sample;
    for (const { name, apply } of this.#steps) {
      const next = mapSampleTexts(cleaned, apply);
      this.#changed.set(name, (this.#changed.get(name) ?? 0) + (next === cleaned ? 0 : 1));
      cleaned = next;
    }
    return this.#lengthFault(cleaned) ?? cleaned;
  }

  #lengthFault(sample: Sample): SkippedRecord | undefined {
    const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = this.#options;
    if (minLength === 0 && maxLength === Number.POSITIVE_INFINITY) return undefined;
    let length = 0;
    for (const text of sampleTexts(sample)) length += codePoints(text);
    if (length >= minLength && length <= maxLength) return undefined;
    const reason = length < minLength ? 'too short' : 'too long';
    const limit = length < minLength ? `at least ${minLength}` : `at most ${maxLength}`;
    const message = `${locationOf(sample.origin)}: the sample has ${length} characters, ${limit} are kept.`;
    return { ...sample.origin, reason, message };
  }
}

/** All samples through the cleaner, without those that it leaves out. */
export async function* cleanSamples(
  samples: AsyncIterable<Sample>,
  cleaner: Cleaner,
  onSkip: (skipped: SkippedRecord) => void,
): AsyncGenerator<Sample, void> {
  for await (const sample of samples) {
    const cleaned = cleaner.clean(sample);
    if ('kind' in cleaned) yield cleaned;
    else onSkip(cleaned);
  }
}

function codePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    // The second half of a pair.
    if (unit >= 0xdc00 && unit <= 0xdfff && at > 0 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800)
      count -= 1;
  }
  return count;
}
