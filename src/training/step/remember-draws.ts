/**
 * What a step draws. A step that was given up draws the same again, and each micro-batch has a generator of its own, told by
 * its number in the step: it draws the same on whichever rank it is computed.
 */
import {
  generatorState,
  RandomGenerator,
  rand,
  restoreGenerator,
  scope,
  type Tensor,
} from '../../tensor/index.js';

/** Whole numbers below this can be told apart by a generator's seed. */
const SEEDS = 2 ** 48;

export interface RememberedDraws {
  /** The step is whole: what was drawn stays drawn. */
  keep(): void;
  /** Called once, last; unless they were kept, the generator is as it was. */
  end(): void;
}

export function rememberDraws(generator: RandomGenerator | undefined): RememberedDraws {
  const before = generator === undefined ? undefined : generatorState(generator).keep();
  let isKept = false;
  return {
    keep() {
      isKept = true;
    },
    end() {
      if (!isKept && generator !== undefined && before !== undefined) restoreGenerator(generator, before);
      before?.dispose();
    },
  };
}

export class StepDraws {
  readonly #generator: RandomGenerator | undefined;
  /** Behind the one number that the step draws for itself. */
  readonly #after: Tensor | undefined;
  readonly #base: number;

  constructor(generator: RandomGenerator | undefined) {
    this.#generator = generator;
    this.#base =
      generator === undefined
        ? 0
        : Math.floor(
            SEEDS * scope(() => rand([1], generator, { dtype: 'float64', device: generator.device }).item()),
          );
    this.#after = generator === undefined ? undefined : generatorState(generator).keep();
  }

  /** @param index of the micro-batch among those of all ranks */
  begin(index: number): void {
    const generator = this.#generator;
    if (generator === undefined) return;
    const own = new RandomGenerator((this.#base + index) % SEEDS, generator.device);
    scope(() => restoreGenerator(generator, generatorState(own)));
    own.dispose();
  }

  /** The next step draws on. */
  end(): void {
    if (this.#generator !== undefined && this.#after !== undefined)
      restoreGenerator(this.#generator, this.#after);
    this.#after?.dispose();
  }
}
