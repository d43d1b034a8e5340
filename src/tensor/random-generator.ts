/** A seeded source of random numbers on one device; its state can be saved and restored. */
import { native } from './native.js';

const forgotten = new FinalizationRegistry<number>((handle) => native().releaseGenerator(handle));

export class RandomGenerator {
  /** Index of the native generator; -1 once disposed. */
  handle: number;
  readonly device: string;

  /** @param seed an integer in 0 … 2^53 - 1 */
  constructor(seed: number, device = 'cpu') {
    this.device = device;
    this.handle = native().createGenerator(device, seed);
    forgotten.register(this, this.handle, this);
  }

  dispose(): void {
    if (this.handle < 0) return;
    forgotten.unregister(this);
    native().releaseGenerator(this.handle);
    this.handle = -1;
  }
}
