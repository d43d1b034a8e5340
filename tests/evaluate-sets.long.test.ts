/** Every set of ../shared/data/eval, as it was published, on a tiny model; addresses that misbehave; our own server. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TASKS } from '../src/evaluation/index.js';
import { startCli } from './support/cli-process.js';
import { evaluationMock } from './support/evaluation-mock.js';
import { writeSets } from './support/evaluation-sets.js';
import { sendJson } from './support/mock-address.js';
import { openSandbox } from './support/python-sandbox.js';
import { referenceSmolLm2 } from './support/reference.js';
import { requiresShared } from './support/requires.js';
import { ServedProcess } from './support/served-process.js';
import { sharedData } from './support/shared-data.js';
import { requiresSmolLm2 } from './support/smollm2.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-evaluate-sets-'));
const sets = writeSets(join(folder, 'sets'));
const shared = sharedData('eval');
let model = '';
let made = 0;

beforeAll(async () => {
  model = await writeTinyModel('tiny', { max_position_embeddings: 2048 });
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(join(model, '..'), { recursive: true, force: true });
});

const DRAWN = `task: drawn
dataset_path: json
dataset_kwargs: {data_files: {test: test.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
generation_kwargs: {until: ["\\n\\n"], max_gen_toks: 8, do_sample: true, temperature: 1.5}
repeats: 4
metric_list:
  - metric: exact_match
`;

interface Evaluated {
  readonly code: number | null;
  readonly stderr: string;
  readonly output: string;
  readonly results: readonly {
    readonly task: string;
    readonly metric: string;
    readonly score: number | null;
    readonly n: number;
    readonly missing: number;
  }[];
}

async function evaluate(args: readonly string[], output = join(folder, `out-${made++}`)): Promise<Evaluated> {
  const { exit } = startCli(['evaluate', '--output', output, '--json', ...args]);
  const { code, stdout, stderr } = await exit;
  return { code, stderr, output, results: stdout === '' ? [] : JSON.parse(stdout).results };
}

function samples(
  output: string,
): { readonly id: string; readonly output: unknown; readonly extracted: unknown }[] {
  return readFileSync(join(output, 'samples.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Serves the tiny model to the tests of a suite. */
function ownServer(): () => ServedProcess {
  let server: ServedProcess | undefined;
  const own = (): ServedProcess => {
    if (server === undefined) throw new Error('the server is not there yet');
    return server;
  };
  beforeAll(async () => {
    server = new ServedProcess(['--model', model, '--port', '0', '--quiet']);
    await server.ready();
  });
  afterAll(async () => {
    own().kill('SIGTERM');
    await own().exit;
  });
  return own;
}

describe('the real sets', requiresShared(shared), () => {
  // C-Eval lies there under no licence; it is tried with files of our own.
  const sandbox = openSandbox();
  sandbox?.dispose();
  const own = TASKS.filter(
    ({ name, runsCode }) => name !== 'ceval' && (runsCode !== true || sandbox !== undefined),
  );
  const names = own.map(({ name }) => name);

  /** Every set, and what each result must be. */
  async function evaluateAll(who: string, mode: string, limit: number, ...options: string[]): Promise<void> {
    // Dialogues can be asked by generation alone.
    const asked = own
      .filter(({ modes: possible }) => mode === 'generate' || possible?.includes('loglikelihood') !== false)
      .map(({ name }) => name);
    const { code, stderr, results, output } = await evaluate([
      ...['--model', who, '--data', shared ?? '', '--task', asked.join(), '--mode', mode],
      ...['--limit', String(limit), '--max-new-tokens', '8', ...options],
    ]);
    expect(code, stderr).toBe(0);
    expect(new Set(results.map(({ task }) => task))).toEqual(new Set(asked));
    for (const { task, n, missing } of results) {
      expect(n, task).toBe(limit);
      expect(missing, task).toBeLessThanOrEqual(n);
    }
    expect(readFileSync(join(output, 'report.html'), 'utf8')).toMatch(/^<!doctype html>/);
    expect(samples(output)).toHaveLength(asked.length * limit);
  }

  const modes = ['loglikelihood', 'generate'];

  test.each(modes)('by %s, with the examples of the published tables', (mode) => evaluateAll(model, mode, 3));

  describe('the demo model', () => {
    const output = join(folder, 'demo');
    beforeAll(async () => {
      const { code, stderr } = await startCli(['demo', '--quick', '--output', output]).exit;
      expect(code, stderr).toBe(0);
    }, 600_000);
    test.each(modes)('by %s', (mode) => evaluateAll(join(output, 'model'), mode, 2));

    test('several answers by chance: they differ, and the same command writes the same', async () => {
      const task = join(folder, 'drawn', 'drawn.yaml');
      writeSets(join(folder, 'drawn'), {
        'drawn.yaml': DRAWN,
        'test.jsonl': '{"q": "Which star is near?", "a": "the sun"}\n',
      });
      const args = ['--model', join(output, 'model'), '--task', task];
      const [first, again] = [await evaluate(args), await evaluate(args)];
      expect(first.code, first.stderr).toBe(0);
      const [sample] = samples(first.output);
      expect(new Set(Array.isArray(sample?.output) ? sample.output : []).size).toBeGreaterThan(1);
      expect(samples(again.output)).toEqual(samples(first.output));
    });
  });

  describe('the real pretrained model', requiresSmolLm2, () => {
    test.each(modes)('by %s', (mode) => evaluateAll(referenceSmolLm2() ?? '', mode, 1, '--shots', '0'));
  });

  test('a mock, by generate', async () => {
    const mock = await evaluationMock();
    await evaluateAll(mock.url, 'generate', 2);
    expect(mock.asked).toBeGreaterThanOrEqual(names.length * 2);
    await mock.close();
  });

  describe('our own server', () => {
    const server = ownServer();
    test.each(modes)('by %s', (mode) => evaluateAll(server().url, mode, 1));
  });

  test.each(names)('%s: what a model wrote is graded the same when it is recorded', async (task) => {
    const first = await evaluate([
      '--model',
      model,
      '--data',
      shared ?? '',
      '--task',
      task,
      '--mode',
      'generate',
      '--limit',
      '2',
      '--max-new-tokens',
      '2',
      ...(task === 'bbh' ? ['--shots', '0'] : []),
    ]);
    expect(first.code, first.stderr).toBe(0);
    const path = join(folder, `${task}.jsonl`);
    writeFileSync(
      path,
      samples(first.output)
        .map(({ id, output }) => `${JSON.stringify({ task, id, output })}\n`)
        .join(''),
    );
    const again = await evaluate(['--predictions', path, '--data', shared ?? '', '--task', task]);
    expect(again.code, again.stderr).toBe(0);
    // What was recorded is graded as it was when it was written.
    const graded = new Map(samples(first.output).map(({ id, extracted }) => [id, extracted]));
    for (const { id, extracted } of samples(again.output))
      if (graded.has(id)) expect(extracted, id).toEqual(graded.get(id));
    expect(again.results[0]?.missing).toBe((again.results[0]?.n ?? 0) - graded.size);
  });
});

describe('an address that misbehaves: named, counted, no score, asked again', () => {
  const gsm8k = ['--task', 'gsm8k', '--shots', '0', '--mode', 'generate', '--data', sets];

  test.each([
    ['never answers', ['--timeout', '1'], /gsm8k: 1 x timed out/, async () => new Promise<boolean>(() => {})],
    ['answers with a page', [], /gsm8k: 1 x no JSON.*a page \(HTML\)/, undefined],
    ['answers errors', [], /gsm8k: 1 x status 503/, undefined],
    ['is over its limit', [], /gsm8k: 1 x rate limit/, undefined],
    ['answers nonsense', [], /gsm8k: 1 x /, undefined],
  ] as const)('%s', async (kind, options, message, hang) => {
    let isWell = false;
    const mock = await evaluationMock(async ({ body }, response) => {
      if (isWell || !JSON.stringify(body).includes('2+2')) return false;
      if (hang !== undefined) return hang();
      if (kind === 'answers with a page') response.end('<html><body>Welcome</body></html>');
      else if (kind === 'answers errors')
        sendJson(response, { error: { message: 'overloaded' } }, 503, { 'retry-after': '0' });
      else if (kind === 'is over its limit') sendJson(response, {}, 429, { 'retry-after': '0' });
      else sendJson(response, { choices: 'none' });
      return true;
    });
    const first = await evaluate(['--model', mock.url, ...gsm8k, ...options]);
    expect(first.code).toBe(1);
    expect(first.stderr).toMatch(message);
    expect(first.stderr).toMatch(
      /1 samples could not be asked, there is no score of their tasks; the same command asks them again/,
    );
    expect(first.stderr).not.toMatch(/\n\s+at /);
    for (const { score } of first.results) expect(score).toBeNull();
    isWell = true;
    const before = mock.asked;
    const second = await evaluate(['--model', mock.url, ...gsm8k, ...options], first.output);
    expect(second.code, second.stderr).toBe(0);
    expect(mock.asked - before).toBe(1);
    expect(second.results[0]).toMatchObject({ n: 2, missing: 0 });
    await mock.close();
  });

  test('is not there at all', async () => {
    const { code, stderr } = await evaluate(['--model', 'http://127.0.0.1:9', ...gsm8k, '--timeout', '1']);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/127\.0\.0\.1:9/);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe('our own server', () => {
  const server = ownServer();

  test.each(['loglikelihood', 'generate'])(
    'by %s: what the model says is what it says here',
    async (mode) => {
      const common = [
        ...['--data', sets, '--task', 'mmlu,arc-easy,hellaswag,gsm8k', '--mode', mode],
        ...['--shots', '0', '--form', 'plain', '--max-new-tokens', '8'],
      ];
      const there = await evaluate(['--model', server().url, ...common]);
      const here = await evaluate(['--model', model, ...common]);
      expect(there.code, there.stderr).toBe(0);
      expect(here.code, here.stderr).toBe(0);
      const told = (output: string): unknown[] =>
        samples(output).map(({ id, output: text, extracted }) => [id, text, extracted]);
      expect(told(there.output)).toEqual(told(here.output));
      expect(there.results.map(({ score }) => score?.toFixed(6))).toEqual(
        here.results.map(({ score }) => score?.toFixed(6)),
      );
    },
  );
});
