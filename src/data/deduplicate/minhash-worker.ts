/** Signatures of batches of texts, on any thread. */
import type { Work } from '../../workers/index.js';
import { MinHasher, type MinHashOptions } from './minhash.js';

export interface SignatureBatch {
  /** The signatures one after the other. */
  readonly signatures: Uint32Array;
  /** 1 where the text has a signature, 0 where it has no words. */
  readonly present: Uint8Array;
}

export function start(options: MinHashOptions): Work<readonly string[], SignatureBatch> {
  const hasher = new MinHasher(options);
  return (texts) => {
    const signatures = new Uint32Array(texts.length * hasher.bins);
    const present = Uint8Array.from(texts, (text, index) =>
      hasher.write(text, signatures, index * hasher.bins) ? 1 : 0,
    );
    return { signatures, present };
  };
}
