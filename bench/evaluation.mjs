// Samples a second of an evaluation by log-likelihood, in turns with lm-evaluation-harness and transformers: the same model, task
// files (MMLU with 5 examples, and without), rows and machine. Loading the model is left out on both sides.
//
//   node bench/evaluation.mjs --model DIR --python PYTHON --data DIR/mmlu [--subjects anatomy,…] [--shots 5,0] [--limit 20]
//     [--rounds 2] [--threads 2] [--batch-size 4]
//
// --model is a folder that both read (xinghe convert --dtype float32), --python that of node tools/reference-python.mjs harness,
// --data the folder with the set's dev/ and test/. --batch-size is the harness'.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LocalModel, planTasks, runEvaluation } from '../dist/evaluation/index.js';
import { loadModel, loadModelTokenizer } from '../dist/models/index.js';
import { prepareRuntime } from '../dist/tensor/index.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    python: { type: 'string' },
    data: { type: 'string' },
    subjects: { type: 'string', default: 'abstract_algebra,anatomy,college_computer_science' },
    shots: { type: 'string', default: '5,0' },
    limit: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '2' },
    threads: { type: 'string', default: '2' },
    'batch-size': { type: 'string', default: '4' },
  },
});
if (values.model === undefined || values.data === undefined) {
  process.stderr.write('bench/evaluation.mjs: --model and --data are needed\n');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'xinghe-bench-evaluation-'));
const limit = Number(values.limit);
const subjects = values.subjects.split(',');
const shotCounts = values.shots.split(',').map(Number);
prepareRuntime({ threads: Number(values.threads) });

/** @returns the names of the tasks */
function writeTasks(shots) {
  return subjects.map((subject) => {
    const name = `mmlu_${shots}_${subject}`;
    const data = resolve(values.data);
    writeFileSync(
      join(folder, `${name}.yaml`),
      `task: ${name}
dataset_path: csv
dataset_kwargs:
  data_files: {test: ${data}/test/${subject}_test.csv, dev: ${data}/dev/${subject}_dev.csv}
  names: [question, A, B, C, D, answer]
test_split: test
fewshot_split: dev
fewshot_config: {sampler: first_n}
num_fewshot: ${shots}
description: "The following are multiple choice questions (with answers) about ${subject.replaceAll('_', ' ')}.\\n\\n"
output_type: multiple_choice
doc_to_text: "{{question.strip()}}\\nA. {{A}}\\nB. {{B}}\\nC. {{C}}\\nD. {{D}}\\nAnswer:"
doc_to_choice: ["A", "B", "C", "D"]
doc_to_target: "{{['A', 'B', 'C', 'D'].index(answer)}}"
metric_list: [{metric: acc}]
`,
    );
    return name;
  });
}

const tasks = new Map(shotCounts.map((shots) => [shots, writeTasks(shots)]));
const loaded = loadModel(values.model);
const tokenizer = loadModelTokenizer(loaded.architecture, values.model);

async function ours(names) {
  // An engine of its own for each run: nothing comes out of the cache of the one before.
  const model = new LocalModel({
    loaded,
    tokenizer,
    identity: { path: values.model, model: {}, tokenizer: null, adapter: null, dtype: null },
    stopTokenIds: [],
  });
  const { tasks: planned } = planTasks({
    task: names.map((name) => join(folder, `${name}.yaml`)).join(','),
    isCot: false,
    forms: model.forms,
  });
  const output = join(folder, 'out');
  const [start, used] = [performance.now(), process.cpuUsage()];
  await runEvaluation(
    { tasks: planned, limit, output, overwrite: true, command: [] },
    { kind: 'model', model },
    { runProgram: () => Promise.reject(new Error('no program here')) },
  );
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(used);
  const lines = readFileSync(join(output, 'samples.jsonl'), 'utf8').trimEnd().split('\n').map(JSON.parse);
  const { promptTokens, cachedTokens } = model.usage;
  model.dispose();
  return {
    seconds,
    processor: (user + system) / 1e6,
    cached: cachedTokens / promptTokens,
    samples: Object.fromEntries(
      lines.map(({ task, id, loglikelihoods }) => [`${task} ${id.split('/').at(-1)}`, loglikelihoods]),
    ),
  };
}

function startReference() {
  const script = fileURLToPath(new URL('evaluation-reference.py', import.meta.url));
  const child = spawn(
    values.python,
    [script, values.model, folder, join(folder, 'cache'), values.threads, values['batch-size']],
    { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, OMP_NUM_THREADS: values.threads } },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the reference ended');
    return value;
  };
  return {
    ready: next,
    run: async (names) => {
      child.stdin.write(`${JSON.stringify([names, limit])}\n`);
      return JSON.parse(await next());
    },
    end: () => child.stdin.end(),
  };
}

const reference = values.python === undefined ? undefined : startReference();
await reference?.ready();
process.stdout.write(`limit ${limit} of each subject (${subjects.join(', ')}), ${values.threads} threads\n`);
let greatest = 0;
try {
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const [shots, names] of tasks) {
      const own = await ours(names);
      const theirs = await reference?.run(names);
      const count = Object.keys(own.samples).length;
      const told = (name, run) =>
        `${name} ${(count / run.seconds).toFixed(2)} samples/s (${run.seconds.toFixed(1)} s, processor ${run.processor.toFixed(1)} s)`;
      const load = loadavg()[0]?.toFixed(1);
      let line = `${shots} shots, ${count} samples, load ${load}: ${told('ours', own)}, cached ${(100 * own.cached).toFixed(1)} %`;
      if (theirs !== undefined) {
        for (const [id, sums] of Object.entries(theirs.samples))
          for (const [place, sum] of sums.entries())
            greatest = Math.max(greatest, Math.abs(sum - own.samples[id][place]));
        line += `; ${told('harness', theirs)}; ${(theirs.seconds / own.seconds).toFixed(1)} times, by processor ${(theirs.processor / own.processor).toFixed(1)} times`;
      }
      process.stdout.write(`${line}\n`);
    }
  if (reference !== undefined)
    process.stdout.write(`log-likelihoods differ by ${greatest.toExponential(1)} at most\n`);
} finally {
  reference?.end();
  rmSync(folder, { recursive: true, force: true });
}
