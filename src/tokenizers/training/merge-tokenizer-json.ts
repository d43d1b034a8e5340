/** Extends a tokenizer.json by the tokens and merges of another. */
import { InputError } from '../../errors/index.js';
import { decodeUtf8, parseJson } from '../../formats/index.js';
import { MAX_TOKEN_ID } from '../huggingface/bpe-model.js';
import { JsonFields } from '../json-fields.js';
import type { MergedVocabulary, NamedFile } from './merge-vocabulary.js';

type Merge = readonly [left: string, right: string];

/** What merging needs of a tokenizer.json with a BPE model. */
interface BpeFile {
  readonly json: Readonly<Record<string, unknown>>;
  readonly model: Readonly<Record<string, unknown>>;
  readonly vocab: ReadonlyMap<string, number>;
  readonly merges: readonly Merge[];
  /** Tokens matched before the model sees a text; their ids may lie in the vocabulary too. */
  readonly added: readonly { readonly content: string; readonly id: number; readonly entry: object }[];
  readonly byteLevel: boolean;
  /** Highest id + 1. */
  readonly size: number;
}

/** Tokens of the other file behind those of the base, and its merges behind the base's. */
export function mergeTokenizerJson(base: NamedFile, add: NamedFile): MergedVocabulary {
  const file = readBpeFile(base);
  const other = readBpeFile(add);
  if (file.byteLevel !== other.byteLevel) {
    const kind = ({ byteLevel }: BpeFile): string => (byteLevel ? 'bytes' : 'characters');
    throw new InputError(
      `${base.path} is made of ${kind(file)}, ${add.path} of ${kind(other)}; only two of one kind can be merged.`,
    );
  }
  const vocab = new Map(file.vocab);
  // Readers number added tokens that the vocabulary lacks anew, behind it; in the vocabulary they keep their ids.
  for (const { content, id } of file.added) vocab.set(content, id);
  const known = new Set(vocab.keys());
  const special = new Map(other.added.map((token) => [token.content, token.entry]));
  const tokens = new Map([...other.vocab, ...other.added.map(({ content, id }) => [content, id] as const)]);
  const addedTokens: object[] = file.added.map((token) => token.entry);
  const added: string[] = [];
  let next = file.size;
  for (const [token] of [...tokens].sort(([, a], [, b]) => a - b)) {
    if (known.has(token)) continue;
    const entry = special.get(token);
    if (entry !== undefined) addedTokens.push({ ...entry, id: next });
    vocab.set(token, next);
    added.push(token);
    next += 1;
  }
  const seen = new Set(file.merges.map(([left, right]) => `${left} ${right}`));
  const merges = other.merges.filter(
    ([left, right]) =>
      !seen.has(`${left} ${right}`) && vocab.has(left) && vocab.has(right) && vocab.has(left + right),
  );
  const model = {
    ...file.model,
    vocab: Object.fromEntries(vocab),
    merges: [...file.merges, ...merges],
  };
  const json = { ...file.json, added_tokens: addedTokens, model };
  return { content: `${JSON.stringify(json)}\n`, baseSize: file.size, size: next, added };
}

/** For each id behind the base's own: the ids that the base's merges make of the token. */
export function tokenizerJsonRowSources(base: NamedFile, merged: NamedFile): number[][] {
  const file = readBpeFile(base);
  const extended = readBpeFile(merged);
  const tokens = new Map<number, string>();
  for (const [token, id] of extended.vocab) tokens.set(id, token);
  for (const { content, id } of extended.added) tokens.set(id, content);
  for (const [token, id] of file.vocab) {
    if (tokens.get(id) === token) continue;
    throw new InputError(
      `${merged.path} does not extend ${base.path}: id ${id} is ${JSON.stringify(tokens.get(id))}, not ${JSON.stringify(token)}.`,
    );
  }
  const ranks = new Map(file.merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
  const unknown = typeof file.model.unk_token === 'string' ? file.vocab.get(file.model.unk_token) : undefined;
  const sources: number[][] = [];
  for (let id = file.size; id < extended.size; id++) {
    const parts = applyMerges([...(tokens.get(id) ?? '')], ranks);
    sources.push(parts.map((part) => file.vocab.get(part) ?? unknown).filter((part) => part !== undefined));
  }
  return sources;
}

/** The pair of lowest rank merges first, the leftmost of equals, until none has a rank. Tokens are short. */
function applyMerges(characters: readonly string[], ranks: ReadonlyMap<string, number>): readonly string[] {
  const parts = [...characters];
  for (;;) {
    let best = Number.POSITIVE_INFINITY;
    let at = -1;
    for (let index = 0; index + 1 < parts.length; index++) {
      const rank = ranks.get(`${parts[index]} ${parts[index + 1]}`);
      if (rank !== undefined && rank < best) {
        best = rank;
        at = index;
      }
    }
    if (at < 0) return parts;
    parts.splice(at, 2, parts[at]! + parts[at + 1]!);
  }
}

function readBpeFile({ path, bytes }: NamedFile): BpeFile {
  const fields = new JsonFields(parseJson(decodeUtf8(bytes, path), path), `${path}:`);
  const modelFields = fields.object('model');
  if (modelFields.string('type', 'BPE') !== 'BPE') throw modelFields.unsupported('model', 'BPE');
  const vocabFields = modelFields.object('vocab');
  const vocab = new Map<string, number>();
  for (const [token] of vocabFields.entries()) vocab.set(token, vocabFields.integer(token, MAX_TOKEN_ID));
  const merges = modelFields.array('merges').map((merge, index): Merge => {
    const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    const [left, right] = Array.isArray(parts) && parts.length === 2 ? parts : [];
    if (typeof left === 'string' && typeof right === 'string') return [left, right];
    throw new InputError(`${path}: model.merges[${index}] is no pair of tokens.`);
  });
  const added = fields.has('added_tokens')
    ? fields.objects('added_tokens').map((token) => ({
        content: token.string('content'),
        id: token.integer('id', MAX_TOKEN_ID),
        entry: Object.fromEntries(token.entries()),
      }))
    : [];
  let size = 0;
  for (const id of vocab.values()) size = Math.max(size, id + 1);
  for (const { id } of added) size = Math.max(size, id + 1);
  return {
    json: Object.fromEntries(fields.entries()),
    model: Object.fromEntries(modelFields.entries()),
    vocab,
    merges,
    added,
    byteLevel:
      fields.has('pre_tokenizer') && /"ByteLevel"/.test(JSON.stringify(fields.value('pre_tokenizer'))),
    size,
  };
}
