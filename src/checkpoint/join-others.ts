/** What ranks hold beside the tensors of a model: counters, rates and what nobody knows, of which there is one for all. */
import { InputError } from '../errors/index.js';
import { sameBytes, type TensorView, viewBytes } from '../formats/index.js';

/** Counters may differ between ranks (the state of a generator); what is bigger is content that nobody knows how to join. */
const COUNTER_BYTES = 1024;

/** Counters that are the same on all ranks of one save. */
const STEPS: ReadonlySet<string> = new Set(['global_step', 'step_num', 'epoch_num', 'current_iterator_step']);

/**
 * One of each name from those of all ranks.
 * @param path for messages
 * @throws InputError for a step that differs between ranks, and for what differs and is more than a counter
 */
export function joinOthers(
  path: string,
  parts: Iterable<ReadonlyMap<string, TensorView>>,
): Map<string, TensorView> {
  const joined = new Map<string, TensorView>();
  for (const others of parts)
    for (const [name, view] of others) {
      const first = joined.get(name);
      if (first === undefined) joined.set(name, view);
      else if (STEPS.has(name) && !sameBytes(first, view))
        throw new InputError(`${path}: ${name} differs between the ranks: they are of different steps.`);
      else if (viewBytes(view) > COUNTER_BYTES && !sameBytes(first, view))
        throw new InputError(
          `${path}: "${name}" is no parameter of this model and differs between the ranks, so that it cannot be joined; ` +
            'check that config and checkpoint belong together.',
        );
    }
  return joined;
}
