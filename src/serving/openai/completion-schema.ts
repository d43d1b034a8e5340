/** The body of POST /v1/completions. */
import { z } from 'zod';
import { idList, list } from './bounded-schemas.js';
import { MAX_LOG_PROBS, optional, sharedShape } from './fields.js';

/** As vLLM since its prompt lists were limited. */
export const MAX_PROMPTS = 1024;

/** More than a body holds. */
const MAX_IDS = 2 ** 22;
const ids = idList({ min: 1, max: MAX_IDS });

/** A text, ids, or a list of either. */
export const promptSchema = z.union([
  z.string(),
  ids,
  list(z.string(), { min: 1, max: MAX_PROMPTS }),
  list(ids, { min: 1, max: MAX_PROMPTS }),
]);

export const completionSchema = z.object({
  ...sharedShape,
  prompt: promptSchema,
  max_tokens: optional(z.int().min(0)),
  echo: optional(z.boolean()),
  logprobs: optional(z.int().min(0).max(MAX_LOG_PROBS)),
  suffix: optional(z.string()),
});

export type CompletionFields = z.output<typeof completionSchema>;
