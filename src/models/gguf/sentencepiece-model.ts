/** The tokenizer `llama` of a GGUF (SentencePiece, merged by score) as a SentencePiece model. */
import { type Piece, type SentencePieceModel, writeSentencePieceModel } from '../../tokenizers/index.js';
import { TOKEN_TYPES } from '../convert/gguf/gguf-vocabulary.js';
import type { GgufKeys } from './gguf-keys.js';
import { readRole } from './read-token-roles.js';
import { readTokens } from './read-tokens.js';

const KEY = 'tokenizer.ggml';

const TYPE_NAMES: ReadonlyMap<number, Piece['type']> = new Map([
  [TOKEN_TYPES.normal, 'normal'],
  [TOKEN_TYPES.unknown, 'unknown'],
  [TOKEN_TYPES.control, 'control'],
  [TOKEN_TYPES['user-defined'], 'user-defined'],
  [TOKEN_TYPES.unused, 'unused'],
  [TOKEN_TYPES.byte, 'byte'],
]);

/** The bytes of a `.model` file. @throws InputError for damaged lists, and for normalisation that a GGUF cannot hold */
export function sentencePieceModel(keys: GgufKeys): Uint8Array {
  if (keys.has(`${KEY}.precompiled_charsmap`))
    keys.fail(
      `${KEY}.precompiled_charsmap is of unigram tokenizers; beside the tokenizer "llama" it is not read.`,
    );
  if (keys.flag(`${KEY}.remove_extra_whitespaces`) === true)
    keys.fail(`${KEY}.remove_extra_whitespaces is true; only false is read beside the tokenizer "llama".`);
  const pieces = readPieces(keys);
  const nameOf = (role: string): string | undefined =>
    pieces[readRole(keys, role, pieces.length) ?? -1]?.text;
  const model: SentencePieceModel = {
    pieces,
    algorithm: 'bpe',
    byteFallback: pieces.some(({ type }) => type === 'byte'),
    treatWhitespaceAsSuffix: false,
    unkPiece: pieces.find(({ type }) => type === 'unknown')?.text ?? '<unk>',
    bosPiece: nameOf('bos') ?? '<s>',
    eosPiece: nameOf('eos') ?? '</s>',
    padPiece: nameOf('padding') ?? '<pad>',
    unkSurface: ' \u2047 ',
    charsmap: new Uint8Array(0),
    addDummyPrefix: keys.flag(`${KEY}.add_space_prefix`) ?? true,
    removeExtraWhitespaces: false,
    escapeWhitespaces: true,
  };
  return writeSentencePieceModel(model);
}

/** Exactly one piece is the unknown one: where the file marks none or several, it is that of unknown_token_id. */
function readPieces(keys: GgufKeys): Piece[] {
  const tokens = readTokens(keys);
  const scores = keys.numbers(`${KEY}.scores`) ?? keys.fail(`${KEY}.scores is missing.`);
  if (scores.length !== tokens.length)
    keys.fail(
      `${KEY}.scores has ${scores.length} entries, but there are ${tokens.length} tokens; the file is damaged.`,
    );
  const unknowns = tokens.flatMap(({ type }, id) => (type === TOKEN_TYPES.unknown ? [id] : []));
  const unknown = unknowns.length === 1 ? unknowns[0] : readRole(keys, 'unknown', tokens.length);
  if (unknown === undefined)
    keys.fail(`${unknowns.length} tokens are of the type unknown, and ${KEY}.unknown_token_id names none.`);
  return tokens.map(({ text, type }, id) => ({
    text,
    score: scores[id] ?? 0,
    type:
      id === unknown
        ? 'unknown'
        : type === TOKEN_TYPES.unknown
          ? 'control'
          : (TYPE_NAMES.get(type) ?? 'normal'),
  }));
}
