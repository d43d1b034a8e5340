/** Tokenizers of Hugging Face's tokenizer.json. */
import { InputError } from '../../errors/index.js';
import type { AddedToken, Role } from '../added-token.js';
import { JsonFields } from '../json-fields.js';
import { CUT, looksSpecial } from '../literal-text.js';
import {
  type DecodeOptions,
  type DecodeStream,
  decodeAll,
  type EncodeOptions,
  replaceLoneSurrogates,
  type Tokenizer,
  unknownIdError,
} from '../tokenizer.js';
import { AddedVocabulary } from './added-vocabulary.js';
import { BpeModel, MAX_TOKEN_ID } from './bpe-model.js';
import { bytesOfToken } from './byte-alphabet.js';
import { type CreateStages, compileDecoder, type DecoderStage } from './decoders.js';
import { compileNormalizer } from './normalizers.js';
import { compilePostProcessor, type SpecialFrame } from './post-processors.js';
import { compilePreTokenizer, type PreTokenizer } from './pre-tokenizers.js';

/** A tokenizer.json with a BPE model. Padding and truncation, which it may also ask for, are not applied. */
export class HuggingFaceTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  readonly unkTokenId: number | undefined;
  readonly specialTexts: readonly string[];
  readonly #model: BpeModel;
  readonly #preTokenizer: PreTokenizer;
  readonly #added: AddedVocabulary;
  readonly #addedIds: ReadonlyMap<string, number>;
  readonly #specialIds: ReadonlySet<number>;
  readonly #frame: SpecialFrame;
  readonly #createStages: CreateStages;
  /** Whether decoding is ByteLevel and nothing else. */
  readonly #isByteLevel: boolean;
  readonly #tokenBytes: (Uint8Array | undefined)[];
  readonly #tokens: readonly (string | undefined)[];

  /**
   * @param json the parsed file; @param source names it in messages; @param roles names the special tokens, which
   *   the file itself does not (only unk).
   * @throws InputError for a fault in the file or a component that is not supported.
   */
  constructor(json: unknown, source: string, roles: ReadonlyMap<Role, string> = new Map()) {
    const fields = new JsonFields(json, `${source}:`);
    const component = (key: string) => (fields.has(key) ? fields.object(key) : undefined);
    const normalizer = component('normalizer');
    this.#preTokenizer = compilePreTokenizer(component('pre_tokenizer'));
    this.#model = new BpeModel(fields.object('model'), this.#preTokenizer.byteLevel);
    const added = fields.has('added_tokens') ? fields.objects('added_tokens').map(readAddedToken) : [];
    this.specialTexts = added
      .filter(({ special, content }) => special || looksSpecial(content))
      .map(({ content }) => content);
    this.#added = new AddedVocabulary(added, normalizer && compileNormalizer(normalizer));
    this.#addedIds = new Map(added.map((token) => [token.content, token.id]));
    this.#specialIds = new Set(added.filter((token) => token.special).map((token) => token.id));
    this.#frame = compilePostProcessor(component('post_processor'));
    this.#createStages = compileDecoder(component('decoder'));
    this.#isByteLevel = component('decoder')?.string('type') === 'ByteLevel';
    const tokens: (string | undefined)[] = [];
    for (const [token, id] of [...this.#model.ids, ...this.#addedIds]) {
      while (tokens.length <= id) tokens.push(undefined);
      tokens[id] = token;
    }
    if (tokens.length === 0) throw new InputError(`${source}: the vocabulary is empty.`);
    this.#tokens = tokens;
    this.#tokenBytes = tokens.map(() => undefined);
    this.vocabSize = tokens.length;
    const idOfRole = (role: Role) => this.tokenToId(roles.get(role) ?? '');
    this.bosTokenId = idOfRole('bos');
    this.eosTokenId = idOfRole('eos');
    this.padTokenId = idOfRole('pad');
    this.unkTokenId = idOfRole('unk') ?? this.#model.unkId;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const ids: number[] = options.addSpecialTokens ? [...this.#frame.before] : [];
    const words: string[] = [];
    this.#added.visit(replaceLoneSurrogates(text), {
      onToken: (id) => void ids.push(id),
      onText: (part, atStart) => {
        words.length = 0;
        this.#preTokenizer.split(part, atStart, words);
        for (const word of words) {
          if (options.hasCuts !== true) this.#model.encodeWord(word, ids);
          else for (const piece of word.split(CUT)) if (piece !== '') this.#model.encodeWord(piece, ids);
        }
      },
    });
    if (options.addSpecialTokens) ids.push(...this.#frame.after);
    return ids;
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    if (!this.#isByteLevel) return decodeAll(this.createDecodeStream(options), ids);
    // The same as the stream, several times faster: all bytes first, one conversion.
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (let index = 0; index < ids.length; index++) {
      const id = ids[index]!;
      const bytes = this.#bytesOf(id);
      if (options.skipSpecialTokens && this.#specialIds.has(id)) continue;
      chunks.push(bytes);
      length += bytes.length;
    }
    const all = Buffer.allocUnsafe(length);
    let at = 0;
    for (const chunk of chunks) {
      for (let index = 0; index < chunk.length; index++) all[at++] = chunk[index]!;
    }
    return all.toString('utf8');
  }

  #bytesOf(id: number): Uint8Array {
    let bytes = this.#tokenBytes[id];
    if (!bytes) {
      bytes = bytesOfToken(this.idToToken(id));
      this.#tokenBytes[id] = bytes;
    }
    return bytes;
  }

  tokenToId(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#model.ids.get(token);
  }

  idToToken(id: number): string {
    const token = this.#tokens[id];
    if (token === undefined) throw unknownIdError(id, this.vocabSize);
    return token;
  }

  tokenBytes(id: number): Uint8Array | undefined {
    if (id < 0 || id >= this.vocabSize) throw unknownIdError(id, this.vocabSize);
    const token = this.#tokens[id];
    if (token === undefined || this.#specialIds.has(id) || id === this.#model.unkId) return undefined;
    if (this.#isByteLevel) return this.#bytesOf(id);
    const text = this.#textAfter('a', token);
    if (text !== token && /^<0x[0-9A-Fa-f]{2}>$/.test(token)) {
      return Uint8Array.of(Number.parseInt(token.slice(3, 5), 16));
    }
    // Part of a character in a chain of decoders that we cannot look into: what it stands for is unknown.
    return text.includes('\ufffd') && !token.includes('\ufffd') ? undefined : Buffer.from(text);
  }

  /** What a token adds to a text of one other token. */
  #textAfter(before: string, token: string): string {
    const decode = (tokens: string[]) => {
      const stages = this.#createStages();
      const pushed = tokens.map((each) => runStages(stages, 0, [each])).join('');
      return pushed + stages.map((stage, index) => runStages(stages, index + 1, stage.end())).join('');
    };
    return decode([before, token]).slice(decode([before]).length);
  }

  createDecodeStream(options: DecodeOptions = {}): DecodeStream {
    const stages = this.#createStages();
    return {
      push: (id) => {
        const token = this.idToToken(id);
        if (options.skipSpecialTokens && this.#specialIds.has(id)) return '';
        return runStages(stages, 0, [token]);
      },
      end: () => stages.map((stage, index) => runStages(stages, index + 1, stage.end())).join(''),
    };
  }
}

function runStages(stages: readonly DecoderStage[], from: number, parts: readonly string[]): string {
  let current = parts;
  for (let index = from; index < stages.length; index++) {
    const stage = stages[index]!;
    current = current.length === 1 ? stage.push(current[0]!) : current.flatMap((part) => stage.push(part));
  }
  return current.length === 1 ? current[0]! : current.join('');
}

function readAddedToken(fields: JsonFields): AddedToken {
  const content = fields.string('content');
  if (content === '') throw fields.mismatch('content', 'a string of at least one character');
  const special = fields.boolean('special', false);
  return {
    id: fields.integer('id', MAX_TOKEN_ID),
    content,
    special,
    singleWord: fields.boolean('single_word', false),
    lstrip: fields.boolean('lstrip', false),
    rstrip: fields.boolean('rstrip', false),
    normalized: fields.boolean('normalized', !special),
  };
}
