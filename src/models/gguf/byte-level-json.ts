/** The tokenizer `gpt2` of a GGUF (byte-level BPE) as a tokenizer.json. */
import { showValue } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { TOKEN_TYPES } from '../convert/gguf/gguf-vocabulary.js';
import type { GgufKeys } from './gguf-keys.js';
import { readRole } from './read-token-roles.js';
import { isAddedType, type ReadToken, readTokens } from './read-tokens.js';
import { WORD_RULES, type WordRule } from './word-rules.js';

const KEY = 'tokenizer.ggml';

/** @throws InputError for a rule of cutting words that is not known, by its name, and for damaged lists */
export function byteLevelJson(keys: GgufKeys): object {
  const rule = readWordRule(keys);
  const tokens = readTokens(keys);
  const merges = readMerges(keys);
  const vocab = new Map<string, number>();
  for (const [id, { text, type }] of tokens.entries()) {
    // Added tokens too: the tokenizers package gives those that are not in the vocabulary new ids behind it.
    if (type === TOKEN_TYPES.unused || text === '') continue;
    if (vocab.has(text))
      keys.fail(`${KEY}.tokens: ${showValue(text)} is both token ${vocab.get(text)} and ${id}.`);
    vocab.set(text, id);
  }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(tokens),
    normalizer: rule.normalizer,
    pre_tokenizer: preTokenizer(keys, rule),
    post_processor: postProcessor(keys, tokens, rule),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: rule.ignoresMerges,
      vocab: Object.fromEntries(vocab),
      merges,
    },
  };
}

/** "a b", in byte-to-unicode letters, in which no token has a space. */
function readMerges(keys: GgufKeys): [left: string, right: string][] {
  const merges = keys.texts(`${KEY}.merges`) ?? keys.fail(`${KEY}.merges is missing.`);
  return merges.map((merge, index) => {
    const [left = '', right = '', ...more] = merge.split(' ');
    if (left === '' || right === '' || more.length > 0)
      keys.fail(
        `${KEY}.merges: entry ${index}, ${showValue(merge)}, is no pair of tokens with a space between.`,
      );
    return [left, right];
  });
}

function readWordRule(keys: GgufKeys): WordRule {
  const key = `${KEY}.pre`;
  const name = keys.text(key) ?? 'default';
  const [gpt2] = WORD_RULES;
  if (name === 'default' && gpt2 !== undefined) {
    log(
      `${keys.path}: the file does not say how words are cut (${key} is ${keys.has(key) ? '"default"' : 'missing'}); ` +
        "GPT-2's rule is taken, ids may differ from those of the model's own tokenizer",
    );
    return gpt2;
  }
  const rule = WORD_RULES.find(({ names }) => names.includes(name));
  if (rule !== undefined) return rule;
  return keys.fail(
    `${key} is ${showValue(name)}, a rule of cutting words that is not known here; known are ` +
      `${WORD_RULES.flatMap(({ names }) => names).join(', ')}. Give the model's own tokenizer with --tokenizer.`,
  );
}

function preTokenizer(keys: GgufKeys, { steps }: WordRule): object {
  const addsSpace = keys.flag(`${KEY}.add_space_prefix`) ?? false;
  const pretokenizers = addsSpace
    ? [...steps.slice(0, -1), { ...steps.at(-1), add_prefix_space: true }]
    : steps;
  const [only, second] = pretokenizers;
  return second === undefined && only !== undefined ? only : { type: 'Sequence', pretokenizers };
}

function addedTokens(tokens: readonly ReadToken[]): object[] {
  return tokens.flatMap(({ text, type }, id) =>
    isAddedType(type) && text !== ''
      ? [
          {
            id,
            content: text,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: type !== TOKEN_TYPES['user-defined'],
          },
        ]
      : [],
  );
}

/** The frame of bos and eos, where the file or its rule asks for them; else none. */
function postProcessor(keys: GgufKeys, tokens: readonly ReadToken[], { addsBos }: WordRule): object | null {
  const roleOf = (role: 'bos' | 'eos', byDefault: boolean): { id: number; text: string } | undefined => {
    const isAdded = keys.flag(`${KEY}.add_${role}_token`) ?? byDefault;
    const id = readRole(keys, role, tokens.length);
    return isAdded && id !== undefined ? { id, text: tokens[id]?.text ?? '' } : undefined;
  };
  const [bos, eos] = [roleOf('bos', addsBos), roleOf('eos', false)];
  if (bos === undefined && eos === undefined) return null;
  const special = (token: { text: string } | undefined, type: number): object[] =>
    token === undefined ? [] : [{ SpecialToken: { id: token.text, type_id: type } }];
  const framed = (id: 'A' | 'B', type: number): object[] => [
    ...special(bos, type),
    { Sequence: { id, type_id: type } },
    ...special(eos, type),
  ];
  return {
    type: 'TemplateProcessing',
    single: framed('A', 0),
    pair: [...framed('A', 0), ...framed('B', 1)],
    special_tokens: Object.fromEntries(
      [bos, eos].flatMap((token) =>
        token === undefined ? [] : [[token.text, { id: token.text, ids: [token.id], tokens: [token.text] }]],
      ),
    ),
  };
}
