/** What programs do wrong, and that nothing of them is left when they are interrupted. */
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { InputError, InterruptedError } from '../../errors/index.js';
import { runSide } from './run-side.js';
import type { Side } from './side.js';
import { numberOf } from './side.js';

const never = new AbortController().signal;

/** A peer that is a piece of shell. */
const peer = (script: string, rest: Partial<Side> = {}): Side => ({
  name: 'mock',
  command: '/bin/sh',
  args: ['-c', script],
  option: '--against mock',
  ...rest,
});

const failureOf = async (side: Side, keys: readonly string[] = ['speed']): Promise<unknown> =>
  runSide(side, keys, never).then(
    () => undefined,
    (error: unknown) => error,
  );

test('the last line is what counts; time and memory are those of the process', async () => {
  const run = await runSide(
    peer(`echo loading; sleep 0.1; echo '{"speed": 12.5, "kind": "x"}'`),
    ['speed'],
    never,
  );
  expect(run.printed).toEqual({ speed: 12.5, kind: 'x' });
  expect(numberOf(run, 'speed')).toBe(12.5);
  expect(numberOf(run, 'kind')).toBeNaN();
  expect(numberOf(run, 'processSeconds')).toBeGreaterThan(0.1);
  if (process.platform === 'linux') expect(numberOf(run, 'peakMemoryMiB')).toBeGreaterThan(0.1);
});

describe('a peer is refused with its last lines', () => {
  test.each([
    ['echo one; echo two >&2; exit 3', /^--against mock ended with exit code 3; its last lines:\ntwo$/],
    ['echo one; exit 3', /^--against mock ended with exit code 3; its last lines:\none$/],
    [
      'echo speed is 12',
      /^--against mock printed no JSON object in its last line; its last lines:\nspeed is 12$/,
    ],
    ['', /^--against mock printed no JSON object in its last line$/],
    [`echo '[1]'`, /no JSON object/],
    [
      `echo '{"speed": 1}'; echo bye`,
      /no JSON object in its last line; its last lines:\n\{"speed": 1\}\nbye$/,
    ],
    [`echo '{"Speed": 1}'`, /printed a JSON object without "speed", which is to be a number/],
    [`echo '{"speed": "fast"}'`, /printed a JSON object with "fast" as "speed"/],
    [`echo '{"speed": null}'`, /with null as "speed"/],
    ['kill -9 $$', /was ended by SIGKILL/],
    ['seq 100; exit 1', /lines:\n81\n82\n83\n(?:\d+\n)+100$/],
  ])('%s', async (script, message) => {
    const error = await failureOf(peer(script));
    expect(error).toBeInstanceOf(InputError);
    expect(String(error instanceof Error && error.message)).toMatch(message);
  });

  test('a program that is not there', async () => {
    const error = await failureOf(peer('', { command: '/nowhere/at/all' }));
    expect(error).toBeInstanceOf(InputError);
    expect(String(error)).toContain('--against mock cannot be started');
  });
});

describe('our own side', () => {
  test('what it refuses is passed on as it says it', async () => {
    const error = await failureOf(peer('echo the model is wrong >&2; exit 2', { option: undefined }));
    expect(error).toBeInstanceOf(InputError);
    expect(error instanceof Error && error.message).toBe('the model is wrong');
  });

  test('what it does wrong is a fault of ours', async () => {
    const error = await failureOf(peer('exit 1', { option: undefined }));
    expect(error).not.toBeInstanceOf(InputError);
  });
});

test('what is interrupted has ended with all its children', async () => {
  const controller = new AbortController();
  const mark = `xinghe-bench-test-${process.pid}`;
  // A grandchild that would outlive its parent, whose name tells it apart.
  const running = runSide(
    peer(`(exec -a ${mark} sleep 60) & sleep 60`, { command: '/bin/bash' }),
    [],
    controller.signal,
  );
  await setTimeout(200);
  controller.abort();
  await expect(running).rejects.toBeInstanceOf(InterruptedError);
  const { spawnSync } = await import('node:child_process');
  expect(spawnSync('pgrep', ['-f', `^${mark}`], { encoding: 'utf8' }).stdout).toBe('');
});

test('what is interrupted before it begins is not run on', async () => {
  const started = performance.now();
  await expect(runSide(peer('sleep 60'), [], AbortSignal.abort())).rejects.toBeInstanceOf(InterruptedError);
  expect(performance.now() - started).toBeLessThan(5000);
});

test('what the last run left is taken away before the next', async () => {
  let prepared = 0;
  const side = peer(`echo '{}'`, { prepare: () => (prepared += 1) });
  await runSide(side, [], never);
  await runSide(side, [], never);
  expect(prepared).toBe(2);
});
