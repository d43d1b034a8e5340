/** The device of a process that may be one of several ranks. */
import { InputError } from '../errors/index.js';
import { selectDevice } from '../tensor/index.js';
import type { Environment } from './environment/variables.js';
import { rankEnvironment } from './rank-environment.js';

/**
 * `selectDevice`, which several ranks ask in vain for anything but the CPU: what they exchange goes through Gloo, in the CPU's memory.
 * @throws InputError
 */
export function selectRankDevice(name: string, environment: Environment = process.env): string {
  const size = name === 'cpu' ? 1 : (rankEnvironment(environment)?.size ?? 1);
  if (size > 1)
    throw new InputError(
      `device "${name}" for ${size} ranks: ranks exchange tensors on the CPU alone so far (Gloo; NCCL is not built in); take ` +
        'device cpu, or one process without ranks',
    );
  return selectDevice(name);
}
