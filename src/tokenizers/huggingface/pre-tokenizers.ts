/** Pre-tokenizers of a tokenizer.json: a text to words. */
import type { JsonFields } from '../json-fields.js';
import { readPattern, refuseDepth } from './normalizers.js';
import { parseSplitBehavior, type SplitBehavior, splitText } from './split-text.js';

/**
 * Cuts a text into words and appends them to `words`.
 * @param atStart whether the text is the beginning of the whole input.
 */
export type SplitWords = (text: string, atStart: boolean, words: string[]) => void;

export interface PreTokenizer {
  readonly split: SplitWords;
  /** Words are to be read as UTF-8 bytes in the byte-level alphabet. */
  readonly byteLevel: boolean;
}

/** GPT-2's pattern, which ByteLevel uses by default; white space as Oniguruma defines it. */
const GPT2_PATTERN =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const WORD_PATTERN =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;
const PUNCTUATION = /[!-/:-@[-`{-~\p{P}]/gu;
const SUPPORTED =
  'Sequence, ByteLevel, Split, Digits, Metaspace, Whitespace, WhitespaceSplit, Punctuation, CharDelimiterSplit and BertPreTokenizer';

/** The steps of a `pre_tokenizer` object. Throws InputError naming a kind that we do not have. */
export function compilePreTokenizer(fields: JsonFields | undefined): PreTokenizer {
  const steps = fields ? flatten(fields, 0) : [];
  const byteLevelAt = steps.findIndex((step) => step.string('type') === 'ByteLevel');
  if (byteLevelAt >= 0 && byteLevelAt < steps.length - 1) {
    throw steps[byteLevelAt + 1]!.unsupported('pre-tokenizer after ByteLevel', 'those before it');
  }
  const splits = steps.map(compileStep);
  const [first, ...rest] = splits;
  if (!first) return { split: (text, _atStart, words) => void words.push(text), byteLevel: false };
  if (rest.length === 0) return { split: first, byteLevel: byteLevelAt >= 0 };
  return { split: chain(splits), byteLevel: byteLevelAt >= 0 };
}

function flatten(fields: JsonFields, depth: number): JsonFields[] {
  if (fields.string('type') !== 'Sequence') return [fields];
  refuseDepth(fields, depth);
  return fields.objects('pretokenizers').flatMap((step) => flatten(step, depth + 1));
}

function chain(splits: readonly SplitWords[]): SplitWords {
  return (text, atStart, words) => {
    let current = [text];
    for (const [index, split] of splits.entries()) {
      const next: string[] = index === splits.length - 1 ? words : [];
      for (const [position, word] of current.entries()) split(word, atStart && position === 0, next);
      current = next;
    }
  };
}

function compileStep(fields: JsonFields): SplitWords {
  switch (fields.string('type')) {
    case 'ByteLevel': {
      const isolate = fields.boolean('use_regex', true) ? byPattern(GPT2_PATTERN, 'Isolated') : undefined;
      const addPrefixSpace = fields.boolean('add_prefix_space', true);
      return (text, atStart, words) => {
        const body = addPrefixSpace && !text.startsWith(' ') ? ` ${text}` : text;
        if (isolate) isolate(body, atStart, words);
        else if (body !== '') words.push(body);
      };
    }
    case 'Split': {
      const behavior = parseSplitBehavior(fields);
      return byPattern(readPattern(fields), behavior, fields.boolean('invert', false));
    }
    case 'Digits':
      return byPattern(/\p{N}/gu, fields.boolean('individual_digits', false) ? 'Isolated' : 'Contiguous');
    case 'Metaspace':
      return compileMetaspace(fields);
    case 'Whitespace':
      return byPattern(WORD_PATTERN, 'Removed', true);
    case 'WhitespaceSplit':
      return byPattern(/\p{White_Space}/gu, 'Removed');
    case 'Punctuation':
      return byPattern(PUNCTUATION, fields.has('behavior') ? parseSplitBehavior(fields) : 'Isolated');
    case 'CharDelimiterSplit':
      return byPattern(fields.string('delimiter'), 'Removed');
    case 'BertPreTokenizer':
      return chain([byPattern(/\p{White_Space}/gu, 'Removed'), byPattern(PUNCTUATION, 'Isolated')]);
    default:
      throw fields.unsupported('pre-tokenizer', SUPPORTED);
  }
}

function byPattern(pattern: string | RegExp, behavior: SplitBehavior, invert = false): SplitWords {
  return (text, _atStart, words) => splitText(text, pattern, behavior, invert, words);
}

function compileMetaspace(fields: JsonFields): SplitWords {
  const mark = fields.string('replacement', '\u2581');
  // Older files say add_prefix_space where newer ones have a scheme.
  const scheme = fields.string(
    'prepend_scheme',
    fields.boolean('add_prefix_space', true) ? 'always' : 'never',
  );
  if (!['always', 'first', 'never'].includes(scheme)) {
    throw fields.mismatch('prepend_scheme', '"always", "first" or "never"');
  }
  const splits = fields.boolean('split', true);
  return (text, atStart, words) => {
    let body = text.replaceAll(' ', () => mark);
    const prepends = scheme === 'always' || (scheme === 'first' && atStart);
    if (prepends && !body.startsWith(mark)) body = mark + body;
    if (splits) splitText(body, mark, 'MergedWithNext', false, words);
    else if (body !== '') words.push(body);
  };
}
