/** What a reward model says of whole conversations. */
import { type LoadedModel, lastScores } from '../models/index.js';
import { intTensor, noGrad, scope } from '../tensor/index.js';

export interface ScoreOptions {
  /** Conversations in one forward pass. Default 8. */
  readonly batchSize?: number | undefined;
}

/**
 * Batch by batch, in order.
 * @param conversations ids of each, its last answer and the end token included
 */
export function* scoreConversations(
  { model, architecture }: LoadedModel,
  conversations: readonly (readonly number[])[],
  { batchSize = 8 }: ScoreOptions = {},
): Generator<number[], void> {
  const padTokenId = architecture.padTokenId ?? 0;
  for (let start = 0; start < conversations.length; start += batchSize) {
    const batch = conversations.slice(start, start + batchSize);
    const lengths = batch.map(({ length }) => length);
    const longest = Math.max(...lengths);
    const ids = batch.flatMap((own) => [...own, ...new Array<number>(longest - own.length).fill(padTokenId)]);
    yield scope(() =>
      noGrad(() => {
        const inputIds = intTensor(ids, [batch.length, longest]).toDevice(model.device);
        return lastScores(model.forward(inputIds), lengths).toArray();
      }),
    );
  }
}
