/** What was drawn in a step that was given up is drawn again. */
import { generatorState, type RandomGenerator, restoreGenerator } from '../../tensor/index.js';

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
