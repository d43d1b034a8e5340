/** Random workloads: whatever runs together, is preempted, pauses or is cancelled, a request brings what it brings alone. */
import { describe, test } from 'vitest';
import { checkWorkloads, workloadModels } from '../../../tests/support/engine-workload.js';

describe('random workloads', () => {
  test.each(workloadModels)('$name', (family) => checkWorkloads(family, 5));
});
