/** How many tokens a text takes: asked of the server, estimated where that does not tell. */
import type { ApiClient } from '../api/client.js';

/** @returns tokens, and whether they were counted */
export async function countTokens(
  api: Pick<ApiClient, 'countTokens'>,
  model: string,
  text: string,
): Promise<{ tokens: number; isCounted: boolean }> {
  try {
    const tokens = await api.countTokens(model, text, AbortSignal.timeout(5000));
    if (tokens !== undefined) return { tokens, isCounted: true };
  } catch {
    // A server without the route, or one that is away: the estimate must do.
  }
  return { tokens: estimateTokens(text), isCounted: false };
}

/** On the high side: a Chinese character is at most about one token, other text has some three bytes to each. */
export function estimateTokens(text: string): number {
  const wide = text.match(/[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]/g)?.length ?? 0;
  const others = new TextEncoder().encode(text).length - 3 * wide;
  return Math.ceil(wide + others / 3);
}
