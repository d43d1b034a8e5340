/** What the tests of mapOrdered run on their threads. */
import { InputError } from '../errors/index.js';
import type { Work } from './map-ordered.js';

export function start(factor: number): Work<number, number> {
  return async (input) => {
    if (input === 13) throw new InputError('13 is refused');
    if (input === 14) throw new TypeError('a fault');
    if (input === 15) process.exit(3);
    await new Promise((resolve) => setTimeout(resolve, (input * 7) % 5));
    return input * factor;
  };
}
