/** Memory of JavaScript: of a run it is the tokenizer and rows that are held, and what reading them has left behind. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Heap and buffers, as far as the process has them from the system, bytes. */
export function scriptBytes(): number {
  const { heapTotal, external } = process.memoryUsage();
  return heapTotal + external;
}

/**
 * Frees what nothing refers to any more. JavaScript sees no reason to while a run waits for its tensors, so that what reading files and
 * tokenizers has left behind would stay beside them to the end.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  if (typeof collect === 'function') collect();
}
