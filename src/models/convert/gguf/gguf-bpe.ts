/** A tokenizer.json as llama.cpp's tokenizer `gpt2` (byte-level BPE) or `llama` (BPE over characters with bytes as a last resort). */
import { z } from 'zod';
import { parseConfig } from '../../../config/index.js';
import { decodeUtf8, parseJson } from '../../../formats/index.js';
import type { Tokenizer } from '../../../tokenizers/index.js';
import { WORD_RULES } from '../../gguf/word-rules.js';
import type { GgufRefusal } from './gguf-layout.js';
import { type GgufToken, type GgufVocabulary, TOKEN_TYPES } from './gguf-vocabulary.js';

const stepSchema = z.looseObject({ type: z.string() });

const tokenizerSchema = z.object({
  added_tokens: z
    .array(z.object({ id: z.int().nonnegative(), content: z.string(), special: z.boolean().default(false) }))
    .nullish(),
  normalizer: z.unknown(),
  pre_tokenizer: z
    .union([z.looseObject({ type: z.literal('Sequence'), pretokenizers: z.array(stepSchema) }), stepSchema])
    .nullish(),
  model: z.object({
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    vocab: z.record(z.string(), z.int().nonnegative()),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
});

const BYTE_PIECE = /^<0x[0-9A-F]{2}>$/;

type TokenizerJson = z.output<typeof tokenizerSchema>;

export function jsonVocabulary(
  bytes: Uint8Array,
  source: string,
  tokenizer: Tokenizer,
): GgufVocabulary | GgufRefusal {
  const json = parseConfig(tokenizerSchema, parseJson(decodeUtf8(bytes, source), source), { source });
  const steps = stepsOf(json);
  const merges = json.model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')));
  if (steps.at(-1)?.type === 'ByteLevel') return byteLevel(json, steps, merges, tokenizer);
  const bytePieces = Object.keys(json.model.vocab).filter((text) => BYTE_PIECE.test(text)).length;
  if (json.model.byte_fallback === true && bytePieces === 256 && steps.length === 0 && marksSpaces(json))
    return characters(json, merges, tokenizer);
  return { unsupported: 'cuts text in a way that llama.cpp does not have' };
}

/** llama.cpp writes every space as ▁, and so must the tokenizer. */
function marksSpaces({ normalizer }: TokenizerJson): boolean {
  return JSON.stringify(normalizer ?? null).includes('\u2581');
}

type Step = z.output<typeof stepSchema>;

function stepsOf({ pre_tokenizer: step }: TokenizerJson): readonly Step[] {
  if (step === undefined || step === null) return [];
  const parsed = z.array(stepSchema).safeParse(step.pretokenizers);
  return step.type === 'Sequence' && parsed.success ? parsed.data : [step];
}

function byteLevel(
  json: TokenizerJson,
  steps: readonly Step[],
  merges: readonly string[],
  tokenizer: Tokenizer,
): GgufVocabulary | GgufRefusal {
  const rule = describeSteps(steps);
  const ignoresMerges = json.model.ignore_merges === true;
  const known = WORD_RULES.find(
    (row) => describeSteps(row.steps) === rule && row.ignoresMerges === ignoresMerges,
  );
  const fallback = ignoresMerges ? 'llama-bpe' : 'gpt-2';
  const differences = [
    ...(known === undefined
      ? [
          `llama.cpp has no rule that cuts words as this tokenizer does (${rule}); ${fallback}'s is taken, ids may differ`,
        ]
      : []),
    ...(json.normalizer === null || json.normalizer === undefined
      ? []
      : ['llama.cpp does not normalise text, as this tokenizer does']),
  ];
  return {
    model: 'gpt2',
    pre: known?.names[0] ?? fallback,
    tokens: tokensOf(json, tokenizer, () => 0),
    merges,
    addSpacePrefix: steps.at(-1)?.add_prefix_space === true,
    differences,
  };
}

/** The steps in words; ByteLevel only where it cuts words itself. */
function describeSteps(steps: readonly object[]): string {
  return z
    .array(stepSchema)
    .parse(steps)
    .flatMap((step) => {
      switch (step.type) {
        case 'ByteLevel':
          return step.use_regex === false ? [] : ['ByteLevel'];
        case 'Digits':
          return [step.individual_digits === true ? 'Digits each' : 'Digits'];
        case 'Split': {
          const { data } = z.object({ Regex: z.string() }).safeParse(step.pattern);
          return [`Split ${data?.Regex ?? JSON.stringify(step.pattern)}`];
        }
        default:
          return [step.type];
      }
    })
    .join(', ');
}

/** llama.cpp merges by score: the earlier a merge was learned, the higher. */
function characters(
  json: TokenizerJson,
  merges: readonly string[],
  tokenizer: Tokenizer,
): GgufVocabulary | GgufRefusal {
  const ranks = new Map<string, number>();
  for (const [rank, merge] of merges.entries()) {
    const made = merge.replace(' ', '');
    if (!ranks.has(made)) ranks.set(made, rank);
  }
  return {
    model: 'llama',
    pre: 'default',
    tokens: tokensOf(json, tokenizer, (text) => -(ranks.get(text) ?? merges.length)),
    addSpacePrefix: JSON.stringify(json.normalizer ?? null).includes('"Prepend"'),
    differences: [],
  };
}

/** Rows 0 to the highest id; ids that no token has are unused. */
function tokensOf(
  { added_tokens: added, model }: TokenizerJson,
  tokenizer: Tokenizer,
  score: (text: string) => number,
): GgufToken[] {
  const tokens: GgufToken[] = Array.from({ length: tokenizer.vocabSize }, (_, id) => ({
    text: `[PAD${id}]`,
    type: TOKEN_TYPES.unused,
    score: 0,
  }));
  for (const [text, id] of Object.entries(model.vocab)) {
    const isByte = model.byte_fallback === true && BYTE_PIECE.test(text);
    const type = isByte
      ? TOKEN_TYPES.byte
      : id === tokenizer.unkTokenId
        ? TOKEN_TYPES.unknown
        : TOKEN_TYPES.normal;
    tokens[id] = { text, type, score: score(text) };
  }
  for (const { id, content, special } of added ?? []) {
    const isUnknown = tokens[id]?.type === TOKEN_TYPES.unknown;
    const type = isUnknown
      ? TOKEN_TYPES.unknown
      : special
        ? TOKEN_TYPES.control
        : TOKEN_TYPES['user-defined'];
    tokens[id] = { text: content, type, score: 0 };
  }
  return tokens;
}
