/** Sampling defaults and stop ids from a model's generation_config.json. */
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { parseJson } from '../formats/index.js';
import { readAuxiliaryFile } from '../models/index.js';

/** Undefined: the file says nothing; HTTP then takes OpenAI's default, the command line the likeliest token. */
export interface GenerationDefaults {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly minP?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  /** Ids that end every text. */
  readonly eosTokenIds: readonly number[];
}

const tokenId = z.int().nonnegative();

/** The file holds much more, which belongs to other programs. */
const schema = z.looseObject({
  temperature: z.number().nonnegative().nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().nonnegative().nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
});

/**
 * As vLLM reads it: `do_sample` has no say, the numbers are the defaults of a request that names none.
 * @throws InputError for values out of range, naming `source`
 */
export function parseGenerationDefaults(text: string | undefined, source: string): GenerationDefaults {
  if (text === undefined) return { eosTokenIds: [] };
  const config = parseConfig(schema, parseJson(text, source), { source });
  const eos = config.eos_token_id ?? [];
  return {
    temperature: config.temperature ?? undefined,
    topP: config.top_p ?? undefined,
    topK: config.top_k ?? undefined,
    minP: config.min_p ?? undefined,
    repetitionPenalty: config.repetition_penalty ?? undefined,
    eosTokenIds: typeof eos === 'number' ? [eos] : eos,
  };
}

/**
 * @param model a model folder, or a GGUF
 * @throws InputError for values out of range in generation_config.json
 */
export function readGenerationDefaults(model: string): GenerationDefaults {
  return parseGenerationDefaults(
    readAuxiliaryFile(model, 'generation_config.json'),
    `${model}: generation_config.json`,
  );
}
