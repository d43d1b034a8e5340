/** An adapter on all ranks of a model, or on none. */
import type { AdapterSet } from '../../checkpoint/index.js';
import { InputError, messageOf } from '../../errors/index.js';
import type { ModelPeers } from '../../models/index.js';

/** All ranks at once. @throws what went wrong here, else InputError with what went wrong on another rank */
export function loadTogether(
  adapters: AdapterSet,
  peers: Pick<ModelPeers, 'gatherFaults'>,
  name: string,
  path: string,
): void {
  adapters.load(name, path, undefined, (fault) => agree(peers, fault));
}

/** All ranks say whether something is wrong. @throws `fault`, or InputError with what another rank says */
export function agree({ gatherFaults }: Pick<ModelPeers, 'gatherFaults'>, fault: unknown): void {
  const faults = gatherFaults(fault === undefined ? '' : messageOf(fault));
  if (fault !== undefined) throw fault;
  const rank = faults.findIndex((text) => text !== '');
  if (rank >= 0) throw new InputError(`rank ${rank}: ${faults[rank]}`);
}
