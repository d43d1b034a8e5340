/**
 * lm-evaluation-harness with transformers and ours on the same real model, the same task files and the same rows: equal prompts,
 * equal log-likelihoods of every option, equal scores of every sample.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LocalModel } from '../src/evaluation/index.js';
import { convertModel, loadModel, loadModelTokenizer } from '../src/models/index.js';
import { evaluateTasks, type SampleLine } from './support/evaluate-tasks.js';
import { writeHarnessTasks } from './support/harness-tasks.js';
import { referencePython, runReference } from './support/reference.js';
import { requiresPython, requiresShared } from './support/requires.js';
import { sharedData } from './support/shared-data.js';
import { requiresSmolLm2, smolLm2Path } from './support/smollm2.js';

const python = referencePython('harness');
const sets = sharedData('eval');
const folder = mkdtempSync(join(tmpdir(), 'xinghe-harness-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LIMIT = 5;
/** Float32 sums of two libraries. */
const TOLERANCE = 1e-4;

const PROGRAM = `
import json, os, sys
model, tasks, names, limit, cache = sys.argv[1:6]
os.environ['HF_DATASETS_CACHE'] = cache
import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
result = lm_eval.simple_evaluate(
    model=HFLM(pretrained=model, dtype='float32', device='cpu', batch_size=4),
    tasks=names.split(','), task_manager=TaskManager(include_path=tasks, include_defaults=False),
    log_samples=True, bootstrap_iters=0, limit=int(limit))
METRICS = ('acc', 'acc_norm', 'acc_bytes', 'brier_score', 'exact_match')
out = {}
for name, samples in result['samples'].items():
    out[name] = [{
        'doc': sample['doc_id'], 'filter': sample['filter'],
        'contexts': [argument[0] for argument in sample['arguments']],
        'responses': sample['filtered_resps'],
        'scores': {key: float(sample[key]) for key in METRICS if key in sample and not isinstance(sample[key], (tuple, list))},
    } for sample in samples]
scores = {name: {key: value for key, value in values.items() if isinstance(value, float)}
          for name, values in result['results'].items()}
json.dump({'samples': out, 'scores': scores}, sys.stdout, default=str)
`;

interface HarnessSample {
  readonly doc: number;
  readonly filter: string;
  readonly contexts: readonly string[];
  readonly responses: readonly (string | readonly [number, boolean])[];
  readonly scores: Readonly<Record<string, number>>;
}

interface HarnessRun {
  readonly samples: Readonly<Record<string, readonly HarnessSample[]>>;
  /** "acc,none" and the like. */
  readonly scores: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const requirements = [requiresSmolLm2, requiresPython(python, 'harness'), requiresShared(sets)];
const missing = requirements.find(({ skip }) => skip === true) ?? {};

describe('lm-evaluation-harness on SmolLM2-135M-Instruct', missing, () => {
  test('equal prompts, likelihoods, answers and scores', { timeout: 1_800_000 }, async () => {
    const tasks = join(folder, 'tasks');
    const { choices, written } = writeHarnessTasks(tasks, sets ?? '');
    const names = [...choices, ...written];
    const converted = join(folder, 'model');
    await convertModel({ from: smolLm2Path, to: converted, dtype: 'float32' });
    const theirs = runReference<HarnessRun>(
      python ?? '',
      PROGRAM,
      [converted, tasks, names.join(','), String(LIMIT), join(folder, 'cache')],
      { timeout: 1_500_000 },
    );

    const loaded = loadModel(smolLm2Path);
    const model = new LocalModel({
      loaded,
      tokenizer: loadModelTokenizer(loaded.architecture, smolLm2Path),
      identity: { path: '', model: {}, tokenizer: null, adapter: null, dtype: null },
      stopTokenIds: [],
    });
    const task = names.map((name) => join(tasks, `${name}.yaml`)).join(',');
    const ours = await evaluateTasks({ task, limit: LIMIT, output: join(folder, 'out') }, model);
    model.dispose();
    const lineOf = (name: string, doc: number): SampleLine => {
      const found = ours.lines.find((line) => line.task === name && line.id.endsWith(`/${doc}`));
      if (found === undefined) throw new Error(`no sample ${name} ${doc}`);
      return found;
    };

    let compared = 0;
    let greatest = 0;
    for (const name of choices)
      for (const { doc, contexts, responses, scores } of theirs.samples[name] ?? []) {
        const line = lineOf(name, doc);
        expect(line.prompt, `${name} ${doc}`).toBe(contexts[0]);
        for (const [place, response] of responses.entries()) {
          const difference = Math.abs(Number(response[0]) - (line.loglikelihoods?.[place] ?? Number.NaN));
          expect(difference, `${name} ${doc} ${place}`).toBeLessThan(TOLERANCE);
          greatest = Math.max(greatest, difference);
          compared += 1;
        }
        for (const [metric, score] of Object.entries(scores))
          expect(line.scores?.[metric], `${name} ${doc} ${metric}`).toBeCloseTo(score, 4);
      }
    expect(compared).toBe(choices.length * LIMIT * 4);
    process.stderr.write(`${compared} log-likelihoods differ by ${greatest} at most\n`);

    for (const name of written)
      for (const { doc, filter, contexts, responses, scores } of theirs.samples[name] ?? []) {
        const line = lineOf(name, doc);
        expect(line.prompt, `${name} ${doc}`).toBe(contexts[0]);
        expect(line.scores?.[`exact_match,${filter}`], `${name} ${doc} ${filter}`).toBe(scores.exact_match);
        if (filter === 'strict-match') expect(line.extracted, `${name} ${doc}`).toBe(responses[0]);
      }

    for (const { task: name, metric, score } of ours.results) {
      const key = metric.includes(',') ? metric : `${metric},none`;
      // The Brier score moves with the likelihoods; the others count.
      expect(score, `${name} ${metric}`).toBeCloseTo(
        theirs.scores[name]?.[key] ?? Number.NaN,
        metric === 'brier_score' ? 4 : 12,
      );
    }
  });
});
