// Alpaca records to packed rows on disk: `xinghe data prepare` against Python's `datasets` + `tokenizers`, in turns.
//
//   node bench/data-preparation.mjs --python PYTHON --records RECORDS.jsonl [--tokenizer tokenizer.json]
//     [--megabytes 50] [--seq-length 2047] [--rounds 3]
//
// RECORDS.jsonl (Alpaca's or TeleChat's keys) is repeated, each copy with a number of its own before the instruction, to the
// size wanted. PYTHON has the packages datasets and tokenizers (data-preparation-reference.py). Times are of whole programs,
// from start to end, with 1 and with 2 workers; the imports of the Python program are also given apart.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    records: { type: 'string' },
    tokenizer: { type: 'string', default: 'tests/golden/tokenizers/bbpe_llama3_regex/tokenizer.json' },
    megabytes: { type: 'string', default: '50' },
    'seq-length': { type: 'string', default: '2047' },
    rounds: { type: 'string', default: '3' },
  },
});
if (values.python === undefined || values.records === undefined)
  throw new TypeError('--python and --records are needed');

const folder = mkdtempSync(join(tmpdir(), 'xinghe-bench-'));
const reference = fileURLToPath(new URL('./data-preparation-reference.py', import.meta.url));
/** Of the Python program: seconds before its work begins. @type {number[]} */
const importSeconds = [];
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

try {
  const input = join(folder, 'records.jsonl');
  const bytes = writeRecords(input, values.records, 1e6 * Number(values.megabytes));
  console.log(
    `${cpus()[0]?.model}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}; Node ${process.version}`,
  );
  console.log(`${(bytes / 1e6).toFixed(1)} MB of records, rows of ${Number(values['seq-length']) + 1} ids\n`);
  /** @type {Map<string, number[]>} */
  const seconds = new Map();
  const rows = new Map();
  for (let round = 0; round < Number(values.rounds); round++)
    for (const workers of [1, 2])
      for (const [side, measure] of /** @type {const} */ ([
        ['xinghe', measureOurs],
        ['datasets + tokenizers', measureTheirs],
      ])) {
        const key = `${side}, ${workers} worker${workers === 1 ? '' : 's'}`;
        const result = measure(input, workers);
        seconds.set(key, [...(seconds.get(key) ?? []), result.seconds]);
        rows.set(key, result.rows);
      }
  console.log('| side | seconds, best (median) | MB/s of the best | rows |\n| --- | --- | --- | --- |');
  for (const [key, times] of seconds) {
    const sorted = times.toSorted((a, b) => a - b);
    const [best = 0, median = 0] = [sorted[0], sorted[sorted.length >> 1]];
    console.log(
      `| ${key} | ${best.toFixed(2)} (${median.toFixed(2)}) | ${(bytes / 1e6 / best).toFixed(1)} | ${rows.get(key)} |`,
    );
  }
  console.log(`\nimports of the Python program: ${Math.min(...importSeconds).toFixed(2)} s at least`);
} finally {
  rmSync(folder, { recursive: true });
}

/** @param {string} path @param {string} source @param {number} wanted bytes */
function writeRecords(path, source, wanted) {
  const records = readFileSync(source, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map(({ instruction, input, output }) => ({
      instruction: (instruction ?? input).replaceAll(/<_user>|<_bot>/g, '\n').trim(),
      input: instruction === undefined ? '' : (input ?? ''),
      output,
    }));
  const lines = [];
  let bytes = 0;
  for (let index = 0; bytes < wanted; index++) {
    const record = records[index % records.length];
    const line = `${JSON.stringify({ ...record, instruction: `${index}. ${record.instruction}` })}\n`;
    lines.push(line);
    bytes += Buffer.byteLength(line);
  }
  writeFileSync(path, lines.join(''));
  return bytes;
}

/** @param {string} input @param {number} workers */
function measureOurs(input, workers) {
  const output = join(folder, 'ours');
  const started = performance.now();
  const report = run(process.execPath, [
    '-e',
    `import(${JSON.stringify(program)}).then((m) => m.main(process.argv.slice(1)))`,
    ...['data', 'prepare', '--form', 'alpaca', '--recipe', 'xverse-sft', '--packing', 'greedy', '--json'],
    ...['--tokenizer', String(values.tokenizer), '--seq-length', String(values['seq-length'])],
    ...['--input', input, '--output', output, '--workers', String(workers)],
  ]);
  const seconds = (performance.now() - started) / 1000;
  rmSync(output, { recursive: true });
  return { seconds, rows: report.train.rows };
}

/** @param {string} input @param {number} workers */
function measureTheirs(input, workers) {
  const output = join(folder, 'theirs');
  const started = performance.now();
  const rowLength = String(Number(values['seq-length']) + 1);
  const result = run(String(values.python), [
    reference,
    input,
    String(values.tokenizer),
    rowLength,
    String(workers),
    output,
  ]);
  const seconds = (performance.now() - started) / 1000;
  rmSync(output, { recursive: true });
  importSeconds.push(seconds - result.seconds);
  return { seconds, rows: result.rows };
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, HF_HUB_OFFLINE: '1' } });
  if (result.status !== 0) throw new Error(result.stderr.slice(-2000));
  return JSON.parse(result.stdout.slice(result.stdout.indexOf('{')));
}
