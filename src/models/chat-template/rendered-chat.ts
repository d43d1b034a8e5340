/** A rendered template to ids: its own special tokens are tokens, those that a message spells are text. */
import { InputError } from '../../errors/index.js';
import { originAt, type RenderedTemplate } from '../../templates/index.js';
import { foreignCuts, type Tokenizer, type UnitOrigin, withCuts } from '../../tokenizers/index.js';

/** A text and the places at which tokens may not be recognised or go on. */
export interface CutText {
  readonly text: string;
  /** In order. */
  readonly cuts: readonly number[];
}

const UNIT_ORIGINS = { template: 'own', given: 'foreign', assistant: 'answer' } as const satisfies Record<
  ReturnType<typeof originAt>,
  UnitOrigin
>;

/**
 * @param parsesSpecial names of special tokens within messages are these tokens
 * @throws InputError where it cannot be told which of them came with a message
 */
export function cutContents(
  { text, marked }: Pick<RenderedTemplate, 'text' | 'marked'>,
  tokenizer: Tokenizer,
  parsesSpecial = false,
): CutText {
  if (parsesSpecial || marked === text) return { text, cuts: [] };
  if (marked === undefined)
    throw new InputError(
      'chat template: it changes brackets of a message in a way that cannot be followed, so that a special token might be ' +
        'forged; leave them out of the message, or allow special tokens in messages (--parse-special).',
    );
  return { text, cuts: foreignCuts(text, tokenizer, (index) => UNIT_ORIGINS[originAt(marked, index)]) };
}

/** Ids of the first `end` units of the text. Nothing is added. */
export function encodeCut({ text, cuts }: CutText, tokenizer: Tokenizer, end = text.length): number[] {
  if (cuts.length === 0) return tokenizer.encode(text.slice(0, end));
  const before = cuts.filter((cut) => cut < end);
  return tokenizer.encode(withCuts(text.slice(0, end), before), { hasCuts: true });
}

/** With a border at each of these places too. */
export function withBorders({ text, cuts }: CutText, places: Iterable<number>): CutText {
  return { text, cuts: [...new Set([...cuts, ...places])].sort((a, b) => a - b) };
}
