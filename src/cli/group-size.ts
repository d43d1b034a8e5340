/** `--group-size`: inputs that share a scale. */
import { InputError } from '../errors/index.js';

/** @throws InputError for what is no multiple of 32 */
export function parseGroupSize(command: string, text: string | undefined): number | 'row' | undefined {
  if (text === undefined || text === 'row') return text;
  const size = Number(text);
  if (Number.isInteger(size) && size > 0 && size % 32 === 0) return size;
  throw new InputError(
    `${command}: --group-size ${text}: give a multiple of 32, such as 32, 64 or 128, or row.`,
  );
}
