/** Left padding of a prompt, for models whose rotation counts from the first real token. */
import type { GenerationRequest } from '../requests.js';

/** The request without its left padding; as it is where the scores of the whole prompt are asked for. */
export function withoutLeftPadding(request: GenerationRequest): GenerationRequest {
  const { promptIds, attentionMask, promptLogProbs } = request;
  const first = attentionMask?.findIndex((seen) => seen !== 0) ?? 0;
  if (first <= 0 || promptLogProbs !== undefined) return request;
  return { ...request, promptIds: promptIds.slice(first), attentionMask: attentionMask?.slice(first) };
}
