/** Histograms of sequences. */
import type { Histogram } from 'prom-client';
import { FIRST_TOKEN_SECONDS, LATENCY_SECONDS, oneTwoFive, PER_TOKEN_SECONDS } from './buckets.js';

export type ModelLabel = 'model_name' | 'engine';

type MakeHistogram = (name: string, help: string, buckets: readonly number[]) => Histogram<ModelLabel>;

export type SequenceHistograms = ReturnType<typeof sequenceHistograms>;

/** @param maxModelLength where the buckets of token counts end */
export function sequenceHistograms(histogram: MakeHistogram, maxModelLength: number) {
  const counts = oneTwoFive(maxModelLength);
  const seconds = (name: string, help: string): Histogram<ModelLabel> =>
    histogram(`vllm:${name}_seconds`, help, LATENCY_SECONDS);
  return {
    firstToken: histogram(
      'vllm:time_to_first_token_seconds',
      'From submission to the first token.',
      FIRST_TOKEN_SECONDS,
    ),
    interToken: histogram(
      'vllm:inter_token_latency_seconds',
      'Between tokens, as the client side sees them.',
      PER_TOKEN_SECONDS,
    ),
    perToken: histogram(
      'vllm:time_per_output_token_seconds',
      'The same under its older name.',
      PER_TOKEN_SECONDS,
    ),
    meanPerToken: histogram(
      'vllm:request_time_per_output_token_seconds',
      'Mean of a sequence after its first token.',
      PER_TOKEN_SECONDS,
    ),
    latency: seconds('e2e_request_latency', 'From submission to the last token.'),
    queue: seconds('request_queue_time', 'From submission to the first step.'),
    prefill: seconds('request_prefill_time', 'From the first step to the first token.'),
    decode: seconds('request_decode_time', 'From the first token to the last.'),
    inference: seconds('request_inference_time', 'From the first step to the last token.'),
    promptTokens: histogram('vllm:request_prompt_tokens', 'Tokens of a prompt.', counts),
    generatedTokens: histogram('vllm:request_generation_tokens', 'Tokens generated.', counts),
    mostGeneratedTokens: histogram(
      'vllm:request_max_num_generation_tokens',
      'Most tokens generated for a request.',
      counts,
    ),
    maxTokens: histogram('vllm:request_params_max_tokens', 'Tokens asked for at most.', counts),
  };
}
