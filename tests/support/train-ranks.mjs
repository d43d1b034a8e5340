// One rank of several runs, one after the other: node train-ranks.mjs RANK SIZE PORT CONFIG… . Each run has a port of its own.
import { loadTrainingConfig } from '../../dist/compat/index.js';
import { runTraining } from '../../dist/training/index.js';

const [rank, size, port, ...files] = process.argv.slice(2);
for (const [index, file] of files.entries()) {
  if (size !== '1')
    Object.assign(process.env, {
      RANK: rank,
      WORLD_SIZE: size,
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(Number(port) + index),
    });
  const { config } = loadTrainingConfig(file, []);
  await runTraining(config, { resume: file.endsWith('-resumed.json') ? 'auto' : undefined });
}
