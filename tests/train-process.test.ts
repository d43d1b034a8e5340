/** `xinghe train` as a process of its own that is stopped, killed, or runs out of disk, and taken up again. */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunCheckpointStore } from '../src/training/checkpoints/run-checkpoint-store.js';
import { goldenFolder } from './support/golden.js';
import { casesOf, isLongSuite, longTest } from './support/long-suite.js';
import { requires } from './support/requires.js';

const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-train-process-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const texts = join(folder, 'texts.jsonl');
const STEPS = isLongSuite ? 60 : 36;

beforeAll(() => {
  const lines = Array.from({ length: 80 }, (_, index) =>
    JSON.stringify({ text: `Line ${index} says that ${index * 7} stars are seen. 星河${index}。` }),
  );
  writeFileSync(texts, `${lines.join('\n')}\n`);
});

function writeConfig(output: string): string {
  const path = join(folder, 'config.json');
  const config = {
    output,
    model: {
      tokenizer: `${goldenFolder}tokenizers/bbpe_gpt2`,
      config: {
        model_type: 'xverse',
        vocab_size: 1000,
        hidden_size: 128,
        intermediate_size: 256,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        eos_token_id: 3,
        pad_token_id: 1,
      },
    },
    threads: 1,
    data: { files: [texts], form: 'text', sequence_length: 48 },
    evaluation: { files: [texts], form: 'text', sequence_length: 48, every: 8 },
    training: { steps: STEPS, micro_batch_size: 2, gradient_accumulation_steps: 2, learning_rate: 1e-3 },
    checkpoints: { every: 4, keep_last: 3 },
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly seconds: number;
}

/** @param during called every few ms while it runs */
function train(
  output: string,
  args: readonly string[] = [],
  during: (child: { kill: (signal: NodeJS.Signals) => void; stderr: string }) => void = () => undefined,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const config = writeConfig(output);
    const child = spawn(process.execPath, [program, 'train', '--config', config, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, XINGHE_LINEAR: 'blas' },
    });
    let stderr = '';
    let asked = 0;
    const timer = setInterval(
      () =>
        during({
          stderr,
          kill: (signal) => {
            asked ||= performance.now();
            child.kill(signal);
          },
        }),
      3,
    );
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearInterval(timer);
      resolve({ code, signal, stderr, seconds: (performance.now() - asked) / 1000 });
    });
  });
}

function losses(output: string): (number | undefined)[] {
  const lines = readFileSync(join(output, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines
    .map((line) => JSON.parse(line))
    .flatMap(({ step, loss }) => (loss === undefined ? [] : [[step, loss]]))
    .flat();
}

const straight = join(folder, 'straight');
const weightsOf = (output: string): Buffer => readFileSync(join(output, 'final', 'model.safetensors'));

beforeAll(async () => {
  const { code, stderr } = await train(straight);
  expect(code, stderr).toBe(0);
});

/** The number of steps that metrics.jsonl tells of. */
function stepsDone(output: string): number {
  const file = join(output, 'metrics.jsonl');
  if (!existsSync(file)) return 0;
  return (readFileSync(file, 'utf8').match(/"loss"/g) ?? []).length;
}

describe('a signal', () => {
  // Between two steps, in an evaluation (after every eighth step), in a save (after every fourth).
  const signals: readonly [NodeJS.Signals, number, number][] = [
    ['SIGTERM', 3, 0],
    ['SIGTERM', 8, 0],
    ['SIGUSR1', 12, 0],
    ['SIGINT', 21, 130],
  ];
  test.each(casesOf(signals, ([, step]) => step === 8))(
    '%s after step %i saves, ends with %3$i, and the run goes on to the same numbers',
    async (signal, step, code) => {
      const output = join(folder, `${signal}-${step}`);
      let isSent = false;
      const stopped = await train(output, [], ({ kill }) => {
        if (isSent || stepsDone(output) < step) return;
        isSent = true;
        kill(signal);
      });
      expect(stopped.code, stopped.stderr).toBe(code);
      expect(stopped.seconds, 'grace time').toBeLessThan(10);
      expect(stopped.stderr).toMatch(
        new RegExp(`stopped by SIG\\w+ after step \\d+ of ${STEPS}; a checkpoint is written`),
      );
      const resumed = await train(output, ['--resume', 'auto']);
      expect(resumed.code, resumed.stderr).toBe(0);
      expect(losses(output)).toEqual(losses(straight));
      expect(weightsOf(output).equals(weightsOf(straight))).toBe(true);
    },
  );
});

longTest('SIGHUP without a terminal is outlived, again and again', async () => {
  const output = join(folder, 'hung-up');
  let sent = 0;
  const { code, stderr } = await train(output, [], ({ kill }) => {
    if (sent >= 3 || stepsDone(output) < 5 * (sent + 1)) return;
    sent += 1;
    kill('SIGHUP');
  });
  expect(code, stderr).toBe(0);
  expect(sent).toBe(3);
  expect(stderr.match(/SIGHUP: no terminal is attached, the run goes on/g)?.length).toBe(1);
  expect(weightsOf(output).equals(weightsOf(straight))).toBe(true);
  const again = await train(output, ['--resume', 'auto']);
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('the run is finished')]);
});

// util-linux's script gives a program a terminal of its own.
const script = spawnSync('script', ['--version']).status === 0;
const needsScript = requires(script, 'there is no program script (util-linux) to give a terminal');

longTest(
  'SIGHUP at a terminal saves, and the run goes on to the same numbers',
  async () => {
    const output = join(folder, 'terminal');
    const config = writeConfig(output);
    const command = `exec ${process.execPath} ${program} train --config ${config}`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      stdio: ['ignore', 'ignore', 'ignore'],
      env: { ...process.env, XINGHE_LINEAR: 'blas' },
    });
    const lock = join(output, 'run.lock');
    while (stepsDone(output) < 6) await new Promise((resolve) => setTimeout(resolve, 5));
    const pid = Number(readFileSync(lock, 'utf8').trim().split(' ')[1]);
    // The kernel and the shell both tell.
    for (let count = 0; count < 2; count++) process.kill(pid, 'SIGHUP');
    await new Promise((resolve) => child.on('close', resolve));
    expect(existsSync(join(output, 'final'))).toBe(false);
    const resumed = await train(output, ['--resume', 'auto']);
    expect(resumed.stderr).toMatch(/resumed from .*step-\d+/);
    expect(losses(output)).toEqual(losses(straight));
  },
  needsScript,
);

/** In turn when a checkpoint is half-written, and somewhere. */
const KILLS = isLongSuite ? 4 : 2;

test('kill -9 again and again, in the middle of saving too: the run ends with the same weights', async () => {
  const output = join(folder, 'killed');
  let resume: string[] = [];
  let kills = 0;
  for (;;) {
    const begun = stepsDone(output);
    const isSaving = (): boolean =>
      existsSync(join(output, 'checkpoints')) &&
      readdirSync(join(output, 'checkpoints')).some((name) => name.includes('.partial-'));
    const outcome = await train(output, resume, ({ kill }) => {
      // Odd times when a checkpoint is half-written, even times somewhere.
      if (kills < KILLS && stepsDone(output) >= begun + 9 && (kills % 2 === 0 || isSaving())) kill('SIGKILL');
    });
    if (outcome.signal === 'SIGKILL') {
      kills += 1;
      resume = ['--resume', 'auto'];
      continue;
    }
    expect(outcome.code, outcome.stderr).toBe(0);
    break;
  }
  expect(kills).toBeGreaterThanOrEqual(KILLS - 1);
  expect(losses(output)).toEqual(losses(straight));
  expect(weightsOf(output).equals(weightsOf(straight))).toBe(true);
  expect(readdirSync(join(output, 'checkpoints')).filter((name) => name.includes('partial'))).toEqual([]);
});

test('a full disk: the run goes on, the checkpoints that were written stay whole', async (context) => {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=88m', 'tmpfs', disk]);
  if (mounted.status !== 0) {
    return context.skip('a small tmpfs cannot be mounted here');
  }
  try {
    // Room for the spare of one checkpoint (64 MiB) and three of about 7 MB; the final model does not fit any more.
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(2_000_000));
    const output = join(disk, 'run');
    const outcome = await train(output, ['--set', 'checkpoints.keep_last=9']);
    expect(outcome.stderr).toMatch(
      /warning: the checkpoint of step \d+ was not written: .* are free\..* Training goes on/,
    );
    expect(stepsDone(output)).toBe(STEPS);
    const store = new RunCheckpointStore(join(output, 'checkpoints'), { async: false });
    expect(store.steps().length).toBeGreaterThan(0);
    expect(store.newest().manifest.step).toBe(store.steps().at(-1));
  } finally {
    spawnSync('umount', [disk]);
  }
});
