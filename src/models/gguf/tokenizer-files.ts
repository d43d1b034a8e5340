/** The tokenizer and chat template of a foreign GGUF as the files that a Hugging Face folder has of them. */
import { type GgufModel, showValue } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { TOKEN_TYPES } from '../convert/gguf/gguf-vocabulary.js';
import { byteLevelJson } from './byte-level-json.js';
import { GgufKeys } from './gguf-keys.js';
import { readRole, readTokenRoles } from './read-token-roles.js';
import { isAddedType, type ReadToken, readTokens } from './read-tokens.js';
import { sentencePieceModel } from './sentencepiece-model.js';

const KEY = 'tokenizer.ggml';

/** File names, each with what makes its content: a tokenizer that cannot be read is refused when it is asked for. */
export type LazyFiles = ReadonlyMap<string, () => string | Uint8Array>;

/** Empty for a GGUF without a vocabulary. */
export function tokenizerFilesOf(model: GgufModel): LazyFiles {
  const keys = new GgufKeys(model);
  const kind = keys.text(`${KEY}.model`);
  if (kind === undefined || kind === 'no_vocab' || kind === 'none') return new Map();
  const settings: [string, () => string][] = [
    ['tokenizer_config.json', () => json(tokenizerConfig(keys, kind))],
    ['generation_config.json', () => json(generationConfig(keys))],
  ];
  switch (kind) {
    case 'gpt2':
      return new Map([['tokenizer.json', () => JSON.stringify(byteLevelJson(keys))], ...settings]);
    case 'llama':
      return new Map<string, () => string | Uint8Array>([
        ['tokenizer.model', () => sentencePieceModel(keys)],
        ...settings,
      ]);
    default:
      return new Map([['tokenizer.json', () => refuseKind(keys, kind)], ...settings]);
  }
}

function refuseKind(keys: GgufKeys, kind: string): never {
  return keys.fail(
    `${KEY}.model is ${showValue(kind)}, a tokenizer that is not read here; readable are gpt2 (byte-level BPE) and llama ` +
      "(SentencePiece). Give the model's own tokenizer with --tokenizer.",
  );
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Special tokens by role, added tokens by id, and the chat template, as transformers names them. */
function tokenizerConfig(keys: GgufKeys, kind: string): object {
  const tokens = readTokens(keys);
  const textOf = (role: string): string | undefined =>
    tokens[readRole(keys, role, tokens.length) ?? -1]?.text;
  const roles = { bos: 'bos', eos: 'eos', unk: 'unknown', pad: 'padding' };
  const template = chatTemplates(keys);
  const isSentencePiece = kind === 'llama';
  return {
    // Of those in transformers, the one that takes a tokenizer.json as it is.
    tokenizer_class: isSentencePiece ? 'LlamaTokenizer' : 'PreTrainedTokenizerFast',
    ...(isSentencePiece && {
      add_bos_token: keys.flag(`${KEY}.add_bos_token`) ?? true,
      add_eos_token: keys.flag(`${KEY}.add_eos_token`) ?? false,
      add_prefix_space: keys.flag(`${KEY}.add_space_prefix`) ?? true,
      legacy: true,
    }),
    added_tokens_decoder: addedTokensDecoder(tokens),
    ...Object.fromEntries(
      Object.entries(roles).flatMap(([role, name]) => {
        const text = textOf(name);
        return text === undefined ? [] : [[`${role}_token`, text]];
      }),
    ),
    clean_up_tokenization_spaces: false,
    ...(template !== undefined && { chat_template: template }),
  };
}

const TEMPLATE_KEY = 'tokenizer.chat_template';

/** As transformers has it: a text, or a list of {name, template} where there are several. */
function chatTemplates(keys: GgufKeys): string | { name: string; template: string }[] | undefined {
  const plain = keys.text(TEMPLATE_KEY);
  const named = keys.unread().flatMap((key) => {
    const template = key.startsWith(`${TEMPLATE_KEY}.`) ? keys.text(key) : undefined;
    return template === undefined ? [] : [{ name: key.slice(TEMPLATE_KEY.length + 1), template }];
  });
  if (named.length === 0) return plain;
  return [...(plain === undefined ? [] : [{ name: 'default', template: plain }]), ...named];
}

function addedTokensDecoder(tokens: readonly ReadToken[]): object {
  return Object.fromEntries(
    tokens.flatMap(({ text, type }, id) =>
      isAddedType(type) && text !== ''
        ? [
            [
              String(id),
              {
                content: text,
                lstrip: false,
                normalized: false,
                rstrip: false,
                single_word: false,
                special: type !== TOKEN_TYPES['user-defined'],
              },
            ],
          ]
        : [],
    ),
  );
}

function generationConfig(keys: GgufKeys): object {
  const roles = readTokenRoles(keys, readTokens(keys).length);
  return { ...Object.fromEntries(Object.entries(roles).filter(([, id]) => id !== null)), ...sampling(keys) };
}

const SAMPLING = 'general.sampling.';

/** llama.cpp's names of what generation_config.json says. */
const SAMPLING_NAMES = {
  temp: 'temperature',
  top_k: 'top_k',
  top_p: 'top_p',
  min_p: 'min_p',
  penalty_repeat: 'repetition_penalty',
} as const;

/** How the file wants to be sampled; what has no counterpart here is said. */
function sampling(keys: GgufKeys): Record<string, number> {
  const found = Object.entries(SAMPLING_NAMES).flatMap(([key, name]) => {
    const value = keys.real(`${SAMPLING}${key}`);
    return value === undefined ? [] : [[name, value] as const];
  });
  const others = keys.unread().filter((key) => key.startsWith(SAMPLING));
  if (others.length > 0) log(`${keys.path}: ${others.join(', ')}: not read; nothing here samples so`);
  return Object.fromEntries(found);
}
