/** Trains a small recipe into `folder`, silently. */
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { loadTrainingConfig } from '../../src/compat/index.js';
import { runTraining } from '../../src/training/index.js';

/** Checks that the loss of the last steps is below that of the first. @param name a file in recipes/debug */
export async function trainSmallRecipe(name: string, folder: string): Promise<void> {
  const { config } = loadTrainingConfig(`recipes/debug/${name}`, [`output=${join(folder, name)}`]);
  const silence = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    const { losses } = await runTraining(config);
    const values = losses.map(({ loss }) => loss ?? Number.NaN);
    expect(values).toHaveLength(40);
    const first = values[0] ?? Number.NaN;
    const last = values.slice(-5).reduce((sum, loss) => sum + loss, 0) / 5;
    expect(last, `the first loss was ${first}`).toBeLessThan(first * 0.97);
  } finally {
    silence.mockRestore();
  }
}
