/** Many more of the random workloads: minutes. */
import { describe, test } from 'vitest';
import { checkWorkloads, workloadModels } from '../../../tests/support/engine-workload.js';

describe('random workloads', () => {
  test.each(workloadModels)('$name', (family) => checkWorkloads(family, 400));
});
