/** Tokenizers of SentencePiece models, with the added tokens of their folder. */
import type { AddedToken, Role } from '../added-token.js';
import { CUT, looksSpecial } from '../literal-text.js';
import { ReplaceStream } from '../replace-stream.js';
import {
  type DecodeOptions,
  type DecodeStream,
  decodeAll,
  type EncodeOptions,
  replaceLoneSurrogates,
  type Tokenizer,
  unknownIdError,
} from '../tokenizer.js';
import { BpeEncoder } from './bpe-encoder.js';
import type { SentencePieceModel } from './model-file.js';
import { Normalizer } from './normalizer.js';
import { PieceDecodeStream, pieceSurfaces } from './piece-decode-stream.js';
import { type PieceEncoder, PieceVocabulary } from './piece-vocabulary.js';
import { AddedTokenSplitter } from './split-added-tokens.js';
import { UnigramEncoder } from './unigram-encoder.js';

/** What stands around a `.model` file: other files of its folder, or a family's rules. */
export interface SentencePieceOptions {
  /** Tokens split out of the text first; each stretch between them is encoded on its own. Default none. */
  readonly addedTokens?: readonly AddedToken[];
  /** Tokens that take the place of the model's own control pieces, by role. */
  readonly roles?: ReadonlyMap<Role, string>;
  /** What `addSpecialTokens` adds. Default neither. */
  readonly addBosToken?: boolean;
  readonly addEosToken?: boolean;
  /** Spark's rule: before encoding a newline becomes this token and a tab four spaces; decoding undoes the first. */
  readonly newlineToken?: string;
}

/** A SentencePiece model, alone or with the added tokens of its folder. */
export class SentencePieceTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  readonly unkTokenId: number | undefined;
  readonly specialTexts: readonly string[];
  readonly #vocabulary: PieceVocabulary;
  readonly #normalizer: Normalizer;
  readonly #encoder: PieceEncoder;
  readonly #surfaces: readonly string[];
  readonly #splitter: AddedTokenSplitter | undefined;
  readonly #addedById: ReadonlyMap<number, AddedToken>;
  readonly #addedIds: ReadonlyMap<string, number>;
  readonly #options: SentencePieceOptions;

  /** @param source names the file in messages. Throws InputError if the normaliser's rules are damaged. */
  constructor(model: SentencePieceModel, source: string, options: SentencePieceOptions = {}) {
    const vocabulary = new PieceVocabulary(model);
    const added = options.addedTokens ?? [];
    this.#vocabulary = vocabulary;
    this.#options = options;
    this.#normalizer = new Normalizer(model, vocabulary.userDefined, source);
    this.#encoder = model.algorithm === 'bpe' ? new BpeEncoder(vocabulary) : new UnigramEncoder(vocabulary);
    this.#surfaces = pieceSurfaces(vocabulary);
    this.#splitter = added.length > 0 ? new AddedTokenSplitter(added) : undefined;
    this.#addedById = new Map(added.map((token) => [token.id, token]));
    this.#addedIds = new Map(added.map((token) => [token.content, token.id]));
    const userDefined = model.pieces.filter(({ type }) => type === 'user-defined').map(({ text }) => text);
    this.specialTexts = [
      ...added
        .filter(({ special, content }) => special || looksSpecial(content))
        .map(({ content }) => content),
      ...userDefined.filter(looksSpecial),
    ];
    this.vocabSize = added.reduce((size, token) => Math.max(size, token.id + 1), vocabulary.size);
    const idOfRole = (role: Role, piece: string) => {
      const token = options.roles?.get(role);
      return token === undefined ? vocabulary.idOfType(piece, 'control') : this.tokenToId(token);
    };
    this.bosTokenId = idOfRole('bos', model.bosPiece);
    this.eosTokenId = idOfRole('eos', model.eosPiece);
    this.padTokenId = idOfRole('pad', model.padPiece);
    this.unkTokenId = options.roles?.has('unk') ? idOfRole('unk', model.unkPiece) : vocabulary.unkId;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const { newlineToken, addBosToken, addEosToken } = this.#options;
    const ids: number[] = [];
    if (options.addSpecialTokens && addBosToken && this.bosTokenId !== undefined) ids.push(this.bosTokenId);
    let body = replaceLoneSurrogates(text);
    if (newlineToken !== undefined) {
      body = body.replaceAll('\n', () => newlineToken).replaceAll('\t', '    ');
    }
    for (const part of this.#splitter?.split(body) ?? [body]) {
      if (typeof part !== 'string') ids.push(part.id);
      else {
        const normalized = this.#normalizer.normalize(part);
        const pieces = options.hasCuts === true ? normalized.split(CUT) : [normalized];
        for (const piece of pieces) this.#encoder.encode(piece, ids);
      }
    }
    if (options.addSpecialTokens && addEosToken && this.eosTokenId !== undefined) ids.push(this.eosTokenId);
    return ids;
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return decodeAll(this.createDecodeStream(options), ids);
  }

  tokenToId(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#vocabulary.ids.get(token);
  }

  idToToken(id: number): string {
    const token = this.#addedById.get(id)?.content ?? this.#vocabulary.model.pieces[id]?.text;
    if (token === undefined) throw unknownIdError(id, this.vocabSize);
    return token;
  }

  tokenBytes(id: number): Uint8Array | undefined {
    if (id < 0 || id >= this.vocabSize) throw unknownIdError(id, this.vocabSize);
    const added = this.#addedById.get(id);
    const type = this.#vocabulary.model.pieces[id]?.type;
    if (added?.special || (!added && (type === undefined || type === 'control' || type === 'unknown')))
      return;
    if (!added && type === 'byte') return Uint8Array.of(this.#vocabulary.byteOf[id]!);
    const text = added?.content ?? this.#surfaces[id]!;
    const { newlineToken } = this.#options;
    return Buffer.from(newlineToken === undefined ? text : text.replaceAll(newlineToken, '\n'));
  }

  createDecodeStream(options: DecodeOptions = {}): DecodeStream {
    const newRun = () => new PieceDecodeStream(this.#vocabulary, this.#surfaces);
    const stream =
      this.#addedById.size > 0
        ? new AddedTokenDecodeStream(this.#addedById, newRun, options.skipSpecialTokens ?? false)
        : newRun();
    const { newlineToken } = this.#options;
    return newlineToken === undefined ? stream : new ReplaceStream(stream, newlineToken, '\n');
  }
}

/** Added tokens decode to their content; each run of pieces between them is decoded as a text of its own. */
class AddedTokenDecodeStream implements DecodeStream {
  readonly #added: ReadonlyMap<number, AddedToken>;
  readonly #newRun: () => DecodeStream;
  readonly #skipSpecial: boolean;
  #run: DecodeStream;

  constructor(added: ReadonlyMap<number, AddedToken>, newRun: () => DecodeStream, skipSpecial: boolean) {
    this.#added = added;
    this.#newRun = newRun;
    this.#skipSpecial = skipSpecial;
    this.#run = newRun();
  }

  push(id: number): string {
    const token = this.#added.get(id);
    if (!token) return this.#run.push(id);
    if (token.special && this.#skipSpecial) return ''; // the runs on both sides become one
    const text = this.#run.end() + token.content;
    this.#run = this.#newRun();
    return text;
  }

  end(): string {
    return this.#run.end();
  }
}
