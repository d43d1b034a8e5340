/** Worker module: samples to token ids with loss masks, by a recipe. */
import { InputError } from '../../errors/index.js';
import { type ChatMessage, openTokenizer } from '../../models/index.js';
import { encodeLiterally, type Tokenizer } from '../../tokenizers/index.js';
import type { Work } from '../../workers/index.js';
import { cleanSparkText } from '../clean/index.js';
import { LEARNED } from '../dataset/rows-tensors.js';
import { saysNothing } from '../forms/index.js';
import {
  chatFormatOf,
  endTokenId,
  type Recipe,
  type RecipeChat,
  type RecipeName,
  recipes,
  tokenizerOptions,
} from './recipes.js';
import type { EncodedSamples } from './sample-store.js';

export interface EncodeSetup extends RecipeChat {
  readonly recipe: RecipeName;
  /** Which answers are learned. Default: as published. */
  readonly answers: 'all' | 'last' | undefined;
  /** Names of special tokens within texts become these tokens. Default false: they are text. */
  readonly parsesSpecial?: boolean | undefined;
  /** Also count the tokens of the whole line, by which TeleChat's rows are filled. */
  readonly countsLines: boolean;
}

/** A text, or a dialogue. */
export type EncodeInput = readonly (string | EncodeDialogue)[];

export interface EncodeDialogue {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[] | undefined;
}

export interface EncodeFailure {
  readonly index: number;
  readonly message: string;
  /** It has nothing to learn, which is no fault: it is left out and counted. */
  readonly isEmpty: boolean;
}

/** A sample with nothing to learn. */
class EmptySampleError extends InputError {}

export interface EncodeOutput extends EncodedSamples {
  /** Of which input each encoded sample is: of a dialogue that takes several rows there are several. */
  readonly inputs: Uint32Array;
  /** Inputs that the recipe refuses; their length is 0. */
  readonly failures: readonly EncodeFailure[];
}

export function start(setup: EncodeSetup): Work<EncodeInput, EncodeOutput> {
  const recipe = recipes[setup.recipe];
  const tokenizer = openTokenizer(setup.tokenizer, tokenizerOptions(recipe));
  const encode = sampleEncoder(recipe, tokenizer, setup);
  const words = new WordBuffer();
  return (samples) => {
    words.length = 0;
    const lengths: number[] = [];
    const inputs: number[] = [];
    const nominal: number[] = [];
    const failures: EncodeFailure[] = [];
    for (const [index, sample] of samples.entries()) {
      const before = words.length;
      let ends: readonly number[];
      try {
        ends = encode(sample, words);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        words.length = before;
        ends = [before];
        failures.push({ index, message: error.message, isEmpty: error instanceof EmptySampleError });
      }
      const isWhole = words.length > before && setup.countsLines && typeof sample !== 'string';
      const line = isWhole ? tokenizer.encode(publishedLine(recipe, sample.messages)).length : 0;
      for (const [row, end] of ends.entries()) {
        lengths.push(end - (ends[row - 1] ?? before));
        nominal.push(line);
        inputs.push(index);
      }
    }
    return {
      words: words.taken(),
      lengths: Uint32Array.from(lengths),
      nominalLengths: setup.countsLines ? Uint32Array.from(nominal) : undefined,
      inputs: Uint32Array.from(inputs),
      failures,
    };
  };
}

/** Each task's arrays are its own. */
export function transfers({ words }: EncodeOutput): ArrayBuffer[] {
  return words.buffer instanceof ArrayBuffer ? [words.buffer] : [];
}

/** @returns where each of its rows ends in the words */
type EncodeSample = (sample: EncodeInput[number], words: WordBuffer) => readonly number[];

function sampleEncoder(recipe: Recipe, tokenizer: Tokenizer, setup: EncodeSetup): EncodeSample {
  const { answers = recipe.answers, parsesSpecial = false } = setup;
  const clean = recipe.cleansText ? cleanSparkText : (text: string): string => text;
  if (recipe.kind === 'pretrain') {
    const end = endTokenId(recipe, tokenizer);
    return (sample, words) => {
      const text = clean(learnedText(sample));
      if (text.trim() === '') throw new EmptySampleError('the text is empty: only its end would be learned.');
      const ids = parsesSpecial ? tokenizer.encode(text) : encodeLiterally(tokenizer, text);
      ids.push(end);
      words.append(ids, true);
      return [words.length];
    };
  }
  const chat = chatFormatOf(recipe, tokenizer, setup);
  return (sample, words) => {
    if (typeof sample === 'string')
      throw new InputError('a text has no answer to learn; give dialogues, or take a pretrain recipe.');
    const { tools } = sample;
    const messages = sample.messages.map((message) => ({ ...message, content: clean(message.content) }));
    const rows = chat.renderTrainingRows(messages, tokenizer, { answers, parsesSpecial, tools });
    if (!rows.some(({ spans }) => spans.some(({ isLearned }) => isLearned)))
      throw new EmptySampleError(
        'no answer of the dialogue is learned: the last one is marked as not to be.',
      );
    const isEmpty = (message: ChatMessage): boolean =>
      message.role === 'assistant' && message.isLearned !== false && saysNothing(message);
    if (messages.some(isEmpty)) throw new EmptySampleError('an answer is empty once it is cleaned.');
    return rows.map(({ spans }) => {
      for (const { ids, isLearned } of spans) words.append(ids, isLearned);
      return words.length;
    });
  };
}

/** Of Alpaca records pre-training takes the output. */
function learnedText(sample: EncodeInput[number]): string {
  if (typeof sample === 'string') return sample;
  const last = sample.messages.at(-1);
  if (last?.isLearned === false)
    throw new EmptySampleError(
      'the last answer is marked as not to be learned, and pre-training learns it whole.',
    );
  return last?.content ?? '';
}

/** TeleChat's dialogue as one text, as its published scripts measure it. */
function publishedLine(recipe: Recipe, messages: readonly ChatMessage[]): string {
  const [first] = messages;
  const system = first?.role === 'system' && first.content !== '' ? first.content : undefined;
  const turns = first?.role === 'system' ? messages.slice(1) : messages;
  const hasEndOfText = recipe.family === 'telechat52b';
  return turns
    .map(({ role, content }, index) => {
      const text = index === 0 && system !== undefined ? `${system}\n${content}` : content;
      if (role === 'user') return `<_user>${text}<_bot>`;
      return hasEndOfText && index === turns.length - 1 ? `${text}</s><_end>` : `${text}<_end>`;
    })
    .join('');
}

/** Words one after the other, growing. */
class WordBuffer {
  length = 0;
  #words = new Int32Array(2 ** 16);

  append(ids: readonly number[], isLearned: boolean): void {
    const end = this.length + ids.length;
    if (end > this.#words.length) this.#grow(end);
    const words = this.#words;
    const bit = isLearned ? LEARNED : 0;
    let at = this.length;
    for (let index = 0; index < ids.length; index++) words[at++] = ids[index]! | bit;
    this.length = end;
  }

  taken(): Int32Array {
    return this.#words.slice(0, this.length);
  }

  #grow(length: number): void {
    const larger = new Int32Array(Math.max(2 * this.#words.length, length));
    larger.set(this.#words.subarray(0, this.length));
    this.#words = larger;
  }
}
