/** The body of POST /v1/completions. */
import { z } from 'zod';
import { MAX_LOG_PROBS, optional, sharedShape, tokenId } from './fields.js';

/** As vLLM since its prompt lists were limited. */
export const MAX_PROMPTS = 1024;

const ids = z.array(tokenId);

export const completionSchema = z.object({
  ...sharedShape,
  prompt: z.union([
    z.string(),
    ids.min(1),
    z.array(z.string()).min(1).max(MAX_PROMPTS),
    z.array(ids.min(1)).min(1).max(MAX_PROMPTS),
  ]),
  max_tokens: optional(z.int().min(0)),
  echo: optional(z.boolean()),
  logprobs: optional(z.int().min(0).max(MAX_LOG_PROBS)),
  suffix: optional(z.string()),
});

export type CompletionFields = z.output<typeof completionSchema>;
