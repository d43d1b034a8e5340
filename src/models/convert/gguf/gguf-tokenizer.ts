/** The tokenizer beside a model as the keys from which llama.cpp builds its own. */
import { readFileSync } from 'node:fs';
import { type GgufValue, listFolder } from '../../../formats/index.js';
import { log } from '../../../log/index.js';
import {
  findTokenizerFile,
  looksLikeJson,
  readFolderTokens,
  type Tokenizer,
} from '../../../tokenizers/index.js';
import { modelTemplates } from '../../chat-template/template-source.js';
import type { Architecture } from '../../family.js';
import { loadModelTokenizer } from '../../model-tokenizer.js';
import { jsonVocabulary } from './gguf-bpe.js';
import { tokenizerFileKeys } from './gguf-files.js';
import { sentencePieceVocabulary } from './gguf-sentencepiece.js';
import { type GgufVocabulary, TOKEN_TYPES } from './gguf-vocabulary.js';

export type GgufMetadata = Map<string, GgufValue>;

/**
 * Keys of the tokenizer in `folder`. Without one, or with one that llama.cpp has no counterpart of, the file says so
 * (`no_vocab`), stderr too, and llama.cpp takes ids only.
 */
export function tokenizerMetadata(folder: string, architecture: Architecture): GgufMetadata {
  if (!listFolder(folder).some((name) => name === 'tokenizer.json' || name.endsWith('.model')))
    return withoutVocabulary(`${folder} holds no tokenizer`);
  const file = findTokenizerFile(folder);
  const tokenizer = loadModelTokenizer(architecture, folder);
  const bytes = readFileSync(file);
  const added = readFolderTokens(folder)?.added ?? new Map();
  const vocabulary = looksLikeJson(bytes)
    ? jsonVocabulary(bytes, file, tokenizer)
    : sentencePieceVocabulary(bytes, file, tokenizer, added);
  const files = tokenizerFileKeys(folder);
  if ('unsupported' in vocabulary)
    return new Map([...withoutVocabulary(`${file} ${vocabulary.unsupported}`), ...files]);
  for (const difference of vocabulary.differences) log(`${file}: ${difference}`);
  const metadata = vocabularyKeys(vocabulary, architecture.shape.vocabSize);
  addRoles(metadata, tokenizer, architecture);
  addTemplates(metadata, folder);
  return new Map([...metadata, ...files]);
}

function withoutVocabulary(reason: string): GgufMetadata {
  log(`${reason}: llama.cpp gets none and takes token ids only, no text`);
  return new Map([['tokenizer.ggml.model', { type: 'string', value: 'no_vocab' }]]);
}

/** Tables have as many rows as the embedding. */
function vocabularyKeys(vocabulary: GgufVocabulary, vocabSize: number): GgufMetadata {
  const tokens = [...vocabulary.tokens];
  for (let id = tokens.length; id < vocabSize; id++)
    tokens.push({ text: `[PAD${id}]`, type: TOKEN_TYPES.unused, score: 0 });
  const { model, pre, merges, addSpacePrefix } = vocabulary;
  const list = <Type extends 'string' | 'float32' | 'int32'>(itemType: Type) => ({
    type: 'array' as const,
    itemType,
  });
  return new Map<string, GgufValue>([
    ['tokenizer.ggml.model', { type: 'string', value: model }],
    ['tokenizer.ggml.pre', { type: 'string', value: pre }],
    ['tokenizer.ggml.tokens', { ...list('string'), value: tokens.map(({ text }) => text) }],
    ['tokenizer.ggml.token_type', { ...list('int32'), value: tokens.map(({ type }) => type) }],
    merges === undefined
      ? ['tokenizer.ggml.scores', { ...list('float32'), value: tokens.map(({ score }) => score) }]
      : ['tokenizer.ggml.merges', { ...list('string'), value: merges }],
    ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: addSpacePrefix }],
  ]);
}

function addRoles(metadata: GgufMetadata, tokenizer: Tokenizer, architecture: Architecture): void {
  const roles = [
    ['bos', architecture.bosTokenId ?? tokenizer.bosTokenId],
    ['eos', architecture.eosTokenId ?? tokenizer.eosTokenId],
    ['unknown', tokenizer.unkTokenId],
    ['padding', architecture.padTokenId ?? tokenizer.padTokenId],
  ] as const;
  for (const [role, id] of roles)
    if (id !== undefined && id < architecture.shape.vocabSize)
      metadata.set(`tokenizer.ggml.${role}_token_id`, { type: 'uint32', value: id });
  const [bare, framed] = [false, true].map((addSpecialTokens) => tokenizer.encode('a', { addSpecialTokens }));
  const isAdded = (id: number | undefined, at: number): boolean =>
    id !== undefined && framed?.at(at) === id && bare?.at(at) !== id;
  metadata.set('tokenizer.ggml.add_bos_token', { type: 'bool', value: isAdded(tokenizer.bosTokenId, 0) });
  metadata.set('tokenizer.ggml.add_eos_token', { type: 'bool', value: isAdded(tokenizer.eosTokenId, -1) });
}

/** The Jinja templates that a model folder brings along: one, and others by name beside it. */
function addTemplates(metadata: GgufMetadata, folder: string): void {
  const named: string[] = [];
  for (const { name, text } of modelTemplates(folder)) {
    if (name !== 'default') named.push(name);
    const key = name === 'default' ? 'tokenizer.chat_template' : `tokenizer.chat_template.${name}`;
    metadata.set(key, { type: 'string', value: text });
  }
  if (named.length > 0)
    metadata.set('tokenizer.chat_templates', { type: 'array', itemType: 'string', value: named });
}
