// One rank of several jobs, one after the other: node generate-ranks.mjs RANK SIZE PORT JOBS.json. Each job has a port of its own.
// Rank 0 writes what came of a job to its `output`.
import { readFileSync, writeFileSync } from 'node:fs';
import { AdapterSet, loadAdapter } from '../../dist/checkpoint/index.js';
import { rankEnvironment } from '../../dist/distributed/index.js';
import { Engine, ModelRanks } from '../../dist/generation/index.js';
import { loadModel } from '../../dist/models/index.js';
import { liveTensorCount, prepareRuntime } from '../../dist/tensor/index.js';

const [rank, size, port, file] = process.argv.slice(2);
prepareRuntime({ threads: 1 });
for (const [index, job] of JSON.parse(readFileSync(file, 'utf8')).entries()) {
  if (size !== '1')
    Object.assign(process.env, {
      RANK: rank,
      WORLD_SIZE: size,
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(Number(port) + index),
    });
  const environment = rankEnvironment();
  const ranks = environment && (await ModelRanks.join(environment, JSON.stringify(job)));
  const read = (place) => {
    const loaded = loadModel(job.model, { dtype: job.dtype, keepIntegers: job.keepIntegers, place });
    if (job.baked !== undefined)
      loadAdapter(loaded.model, loaded.architecture.names, job.baked, undefined, loaded.cuts);
    return loaded;
  };
  const loaded = ranks === undefined ? read() : ranks.load(read);
  const adapters =
    job.baked === undefined
      ? (ranks?.adapterSet(loaded) ?? new AdapterSet(loaded.model, loaded.architecture.names))
      : undefined;
  const before = liveTensorCount();
  if (ranks !== undefined && !ranks.isFirst) await ranks.follow(loaded, adapters);
  else writeFileSync(job.output, JSON.stringify(run(loaded, adapters, job)));
  adapters?.dispose();
  ranks?.end();
  // Layers of DoRA remember their norms.
  if (job.baked === undefined && liveTensorCount() > before)
    throw new Error(`${liveTensorCount() - before} tensors are left over`);
}

/** Requests of all kinds in one engine, that come and go. */
function run({ model }, adapters, { adapter, refusedAdapter, kvDType, maxDrafts }) {
  const engine = new Engine(model, { cacheTokens: 640, maxBatchTokens: 24, kvDType, maxDrafts, adapters });
  const results = {};
  const refused = [];
  const common = Array.from({ length: 33 }, (_, index) => 3 + ((index * 37) % 240));
  const submit = (name, request) => {
    engine.submit(name, { maxNewTokens: 12, ...request });
    results[name] = { ids: [] };
  };
  const step = () => {
    for (const { id, ids, logProbs, promptLogProbs, beams, embedding, end, error } of engine.step()) {
      if (error !== undefined) throw error;
      const result = results[id];
      result.ids.push(...ids);
      if (logProbs !== undefined)
        result.logProbs = [...(result.logProbs ?? []), ...logProbs.map((one) => one.chosen.logProb)];
      if (promptLogProbs !== undefined)
        result.promptLogProbs = promptLogProbs.map((one) => one?.chosen.logProb ?? 0);
      if (beams !== undefined) result.beams = beams.map((beam) => beam.ids);
      if (embedding !== undefined) result.embedding = [...embedding];
      if (end !== undefined) result.end = [end.finishReason, end.cachedTokens];
    }
    engine.verify();
  };
  try {
    if (adapter !== undefined) engine.loadAdapter('own', adapter);
    if (refusedAdapter !== undefined)
      try {
        engine.loadAdapter('refused', refusedAdapter);
      } catch (error) {
        refused.push(error.message);
      }
    submit('greedy', { promptIds: [...common, 5, 6] });
    submit('sampled', {
      promptIds: [...common, 7],
      sampling: { temperature: 1.2, topK: 40, topP: 0.9, seed: 11 },
    });
    submit('repeats', { promptIds: [9, 8, 7, 9, 8, 7, 9, 8, 7, 9, 8], maxNewTokens: 20 });
    submit('cancelled', { promptIds: [...common, 100, 101], maxNewTokens: 28 });
    for (let count = 0; count < 5; count++) step();
    engine.cancel('cancelled');
    submit('beams', { promptIds: common.slice(0, 18), beams: { count: 3 }, maxNewTokens: 6 });
    submit('log-probs', { promptIds: common.slice(5, 25), promptLogProbs: 2, logProbs: 1, maxNewTokens: 4 });
    submit('pooled', { promptIds: common.slice(3, 29), pooling: 'mean', maxNewTokens: 0 });
    submit('masked', {
      promptIds: common.slice(0, 20),
      attentionMask: common.slice(0, 20).map((_, index) => (index < 4 ? 0 : 1)),
    });
    if (adapter !== undefined) submit('adapted', { promptIds: [...common, 5, 6], adapter: 'own' });
    while (engine.hasWork) step();
    // Out of the prefix cache.
    submit('again', { promptIds: [...common, 5, 6] });
    while (engine.hasWork) step();
    if (adapter !== undefined) engine.unloadAdapter('own');
  } finally {
    engine.dispose();
  }
  return { results, refused, kvHeads: model.ownKvHeads };
}
