/** Random workloads: whatever runs together, gives way, pauses or is cancelled, a request brings what it brings alone. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arbitraryWorkload, checkWorkload } from '../../../tests/engine-workload.js';
import { goldenFolder, goldenModels } from '../../../tests/golden.js';
import { initialised, tinyTelechat } from '../../../tests/paged-forward.js';
import { type CausalLm, loadModel, parseArchitecture } from '../../models/index.js';

const runs = Number(process.env.XINGHE_PROPERTY_RUNS ?? 5);

/** @param drafts false where each length has a rotation of its own, so that no draft can run beside the token before it */
function check(model: CausalLm, drafts = true): void {
  const sums = { preemptions: 0, acceptedDraftTokens: 0, prefixCacheHits: 0 };
  fc.assert(
    fc.property(arbitraryWorkload(), (workload) => {
      const stats = checkWorkload(model, workload);
      sums.preemptions += stats.preemptions;
      sums.acceptedDraftTokens += stats.acceptedDraftTokens;
      sums.prefixCacheHits += stats.prefixCacheHits;
    }),
    { numRuns: runs },
  );
  model.dispose();
  if (runs < 50) return;
  expect(sums.preemptions).toBeGreaterThan(0);
  expect(sums.prefixCacheHits).toBeGreaterThan(0);
  if (drafts) expect(sums.acceptedDraftTokens).toBeGreaterThan(0);
}

describe('random workloads', () => {
  test.each(goldenModels)('%s', (folder) => {
    check(loadModel(`${goldenFolder}${folder}`, { dtype: 'float32' }).model);
  });

  test('TeleChat past its length of training, where every length has a rotation of its own', () => {
    const config = { ...tinyTelechat, n_layer: 2, training_seqlen: 16 };
    const model = initialised(parseArchitecture(config, 'test').createModel());
    model.to({ dtype: 'float32' });
    check(model, false);
  });
});
