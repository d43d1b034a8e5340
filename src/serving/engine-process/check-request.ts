/** Checks of a request that need no engine, so that a bad one is refused before it is queued. */
import { InputError } from '../../errors/index.js';
import type { TextRequest } from '../../generation/index.js';
import type { AdapterInfo } from '../engine-service.js';
import type { EngineLimits } from './stepping-engine.js';

/** @throws InputError */
export function checkRequest(
  { promptIds, maxNewTokens, adapter }: TextRequest,
  { maxModelLength, vocabSize }: EngineLimits,
  adapters: readonly AdapterInfo[],
): void {
  if (promptIds.length === 0) throw new InputError('The prompt is empty; give at least one token.');
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0)
    throw new InputError(`${maxNewTokens} new tokens cannot be generated; give a whole number.`);
  if (promptIds.length + maxNewTokens > maxModelLength)
    throw new InputError(
      `The prompt has ${promptIds.length} tokens; with ${maxNewTokens} new ones it is longer than the ` +
        `${maxModelLength} tokens that the model is served with. Shorten the prompt or ask for fewer tokens.`,
    );
  const wrong = promptIds.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong >= 0)
    throw new InputError(
      `Token ${promptIds[wrong]} at position ${wrong} of the prompt is no id; ids go from 0 to ${vocabSize - 1}.`,
    );
  if (adapter !== undefined && !adapters.some(({ name }) => name === adapter))
    throw new InputError(
      `No adapter "${adapter}" is loaded; loaded: ${adapters.map(({ name }) => name).join(', ') || 'none'}.`,
    );
}
