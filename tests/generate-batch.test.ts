/** `xinghe generate` over a file of questions: forms, order, interruption, and what it refuses. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main } from '../src/cli/main.js';
import { longTest } from './support/long-suite.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-batch-'));
const program = new URL('../bin/xinghe', import.meta.url).pathname;
let model = '';

beforeAll(async () => {
  model = await writeTinyModel();
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(model, { recursive: true });
});

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const questionsFile = (name: string, count: number): string =>
  file(
    name,
    Array.from(
      { length: count },
      (_, index) => `${JSON.stringify({ input: `问题 ${index}: why ${index * 7}?` })}\n`,
    ).join(''),
  );

interface AnswerLine {
  predict: string | null;
  error?: string;
}

const answersIn = (path: string): AnswerLine[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): AnswerLine => JSON.parse(line));

/** Runs the command in this process; what it wrote on stdout and stderr. */
async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const originals = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const stream of ['stdout', 'stderr'] as const)
    process[stream].write = (chunk: string | Uint8Array): boolean => {
      written[stream] += chunk.toString();
      return true;
    };
  try {
    return { code: await main(['generate', '--model', model, ...args]), ...written };
  } finally {
    process.stdout.write = originals.stdout;
    process.stderr.write = originals.stderr;
  }
}

const few = ['--max-new-tokens', '8', '--no-eos'];

describe('questions', () => {
  test('are answered in their order, each as if it were alone', async () => {
    const input = questionsFile('ten.jsonl', 10);
    const output = join(folder, 'ten.out.jsonl');
    expect((await run('--input', input, '--output', output, ...few)).code).toBe(0);
    const answers = answersIn(output);
    expect(answers.length).toBe(10);
    for (const index of [0, 3, 9]) {
      const alone = await run('--prompt', `问题 ${index}: why ${index * 7}?`, '--json', ...few);
      expect(answers[index]?.predict).toBe(JSON.parse(alone.stdout).choices[0].text);
    }
    expect(existsSync(`${output}.unfinished`)).toBe(false);
  });

  test('come as a list on the command line, as records of any key, as conversations, with a template', async () => {
    const listed = await run('--input', '[问题 0##b $& c]', ...few, '--template', '<User> {}<end>');
    const template = await run('--prompt', '<User> b $& c<end>', '--json', ...few);
    expect(JSON.parse(listed.stdout.split('\n')[1] ?? '').predict).toBe(
      JSON.parse(template.stdout).choices[0].text,
    );
    const mixed = file(
      'mixed.jsonl',
      `${JSON.stringify({ question: '问' })}\n{"messages":[{"role":"user","content":"问"}]}\n"问"\n`,
    );
    const answers = (await run('--input', mixed, ...few)).stdout
      .trim()
      .split('\n')
      .map((line): AnswerLine => JSON.parse(line));
    expect(answers[0]).toEqual(answers[2]);
    expect(answers[1]).not.toEqual(answers[0]);
  });

  test("come as Spark's .json too: one record a line, or an array", async () => {
    const lines = await run('--input', file('lines.json', '{"input":"甲"}\n{"input":"乙"}\n'), ...few);
    const array = await run('--input', file('array.json', '[{"input":"甲"},{"input":"乙"}]'), ...few);
    expect(lines.stdout.trim().split('\n').length).toBe(2);
    expect(array.stdout).toBe(lines.stdout);
  });

  test('draw from streams of their own under one seed, and beams and details work', async () => {
    const input = file('same.jsonl', '{"input":"同"}\n{"input":"同"}\n');
    const sampled = await run('--input', input, '--temperature', '1', '--seed', '3', ...few);
    const [first, second] = sampled.stdout.trim().split('\n');
    expect(first).not.toBe(second);
    expect((await run('--input', input, '--temperature', '1', '--seed', '3', ...few)).stdout).toBe(
      sampled.stdout,
    );
    const beams = await run('--input', input, '--beams', '3', '--details', ...few);
    expect(JSON.parse(beams.stdout.split('\n')[0] ?? '')).toMatchObject({
      finish_reason: 'length',
      completion_tokens: 8,
    });
  });

  test('that do not fit are answered with an error, and the others go on', async () => {
    const input = file(
      'long.jsonl',
      `${JSON.stringify({ input: 'a' })}\n${JSON.stringify({ input: 'word '.repeat(9000) })}\n`,
    );
    const { code, stdout, stderr } = await run('--input', input, ...few);
    expect(code).toBe(0);
    const [good, bad] = stdout
      .trim()
      .split('\n')
      .map((line): AnswerLine => JSON.parse(line));
    expect(good?.predict).toBeTypeOf('string');
    expect(bad).toMatchObject({ predict: null });
    expect(bad?.error).toContain('long.jsonl:2');
    expect(stderr).toContain('1 without an answer');
  });

  test('of which one is no question: a line with its fault in its place, and the others go on', async () => {
    const records = [
      '{"input":"a"}',
      '{"input":',
      '{"x":1}',
      '{"messages":[{"role":"bot","content":"b"}]}',
      '{"messages":[]}',
      '{"input":""}',
      '5',
      '{"input":"\\ud800"}',
      '{"input":"c"}',
    ];
    const input = file('faulty.jsonl', `${records.join('\n')}\n`);
    for (const extra of [[], ['--chat']]) {
      const output = join(folder, `faulty${extra.length}.out.jsonl`);
      const { code, stderr } = await run('--input', input, '--output', output, ...extra, ...few);
      expect(code, stderr).toBe(0);
      const answers = answersIn(output);
      expect(answers.length).toBe(records.length);
      expect(answers[0]?.predict).toBeTypeOf('string');
      expect(answers[8]?.predict).toBeTypeOf('string');
      for (const [index, problem] of [
        [1, /faulty\.jsonl:2:10: not valid JSON/],
        [2, /faulty\.jsonl:3: none of "input".*found x/],
        [3, /faulty\.jsonl:4: message 1 is/],
        [5, /faulty\.jsonl:6: the question is empty/],
        [6, /faulty\.jsonl:7: a question is an object/],
      ] as const) {
        expect(answers[index]?.predict).toBeNull();
        expect(answers[index]?.error).toMatch(problem);
        expect(answers[index]?.error).not.toMatch(/faulty.*faulty/);
      }
      expect(stderr).toMatch(/9 questions, .*; \d without an answer/);
    }
  });

  test('longer than the context in a chat: an error line too, with a cache of the others', async () => {
    const input = file(
      'long-chat.jsonl',
      `${JSON.stringify({ messages: [{ role: 'user', content: 'word '.repeat(90_000) }] })}\n{"input":"a"}\n`,
    );
    const { code, stdout } = await run('--input', input, '--chat', ...few);
    const [bad, good] = stdout
      .trim()
      .split('\n')
      .map((line): AnswerLine => JSON.parse(line));
    expect(code).toBe(0);
    expect(bad?.error).toContain('long-chat.jsonl:1');
    expect(good?.predict).toBeTypeOf('string');
  });

  test('from stdin: `--input -`, records and ids', () => {
    const ask = (input: string, ...args: string[]) =>
      spawnSync(program, ['generate', '--model', model, '--input', '-', ...few, ...args], {
        input,
        encoding: 'utf8',
      });
    const answers = ask('{"input":"a"}\n{"x":1}\n');
    expect(answers.status, answers.stderr).toBe(0);
    const [good, bad] = answers.stdout
      .trim()
      .split('\n')
      .map((line): AnswerLine => JSON.parse(line));
    expect(good?.predict).toBeTypeOf('string');
    expect(bad?.error).toMatch(/^stdin:2: none of/);
    const ids = ask('{"input_ids": [[5, 6]]}', '--json');
    expect(JSON.parse(ids.stdout).choices[0].ids).toHaveLength(8);
    const none = ask('');
    expect(none.status).toBe(2);
    expect(none.stderr).toMatch(/^xinghe: stdin is empty/);
  });

  test.each([
    { name: 'no question', content: '', args: [], message: 'empty' },
    {
      name: 'another key',
      content: '{"x":1}\n',
      args: [],
      message: /bad\.jsonl:1: none of "input".*found x/,
    },
    { name: 'no text', content: '{"input":5}\n', args: [], message: /"input" is 5/ },
    { name: 'no JSON', content: '{"input":\n', args: [], message: /bad\.jsonl:1/ },
    {
      name: 'a bad role',
      content: '{"messages":[{"role":"bot","content":""}]}\n',
      args: [],
      message: /message 1 is/,
    },
    {
      name: 'a template without a place',
      content: '{"input":"a"}\n',
      args: ['--template', 'x'],
      message: /needs \{\} once/,
    },
    {
      name: 'a template and --chat',
      content: '{"input":"a"}\n',
      args: ['--template', '{}', '--chat'],
      message: /not both/,
    },
    { name: '--json', content: '{"input":"a"}\n', args: ['--json'], message: /--json/ },
  ])('refused: $name', async ({ content, args, message }) => {
    const { code, stderr } = await run('--input', file('bad.jsonl', content), ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('an interrupted batch', () => {
  const args = (input: string, output: string): string[] => [
    'generate',
    '--model',
    model,
    '--input',
    input,
    '--output',
    output,
    '--parallel',
    '2',
    '--max-new-tokens',
    '24',
    '--no-eos',
    '--temperature',
    '1',
    '--seed',
    '5',
  ];

  async function untilLines(output: string, lines: number, child: ChildProcess): Promise<void> {
    while (
      child.exitCode === null &&
      (!existsSync(output) || readFileSync(output, 'utf8').split('\n').length <= lines)
    )
      await new Promise((resolve) => setTimeout(resolve, 5));
  }

  test('killed or interrupted, it continues where it was and ends with the same file', async () => {
    const input = questionsFile('many.jsonl', 60);
    const straight = join(folder, 'straight.jsonl');
    expect(spawnSync(program, args(input, straight)).status).toBe(0);
    const output = join(folder, 'broken.jsonl');
    for (const signal of ['SIGKILL', 'SIGINT'] as const) {
      const child = spawn(program, args(input, output));
      let stderr = '';
      child.stderr.on('data', (piece) => {
        stderr += String(piece);
      });
      await untilLines(output, signal === 'SIGKILL' ? 6 : 20, child);
      child.kill(signal);
      const [code] = await once(child, 'close');
      if (signal === 'SIGINT') {
        expect(code, stderr).toBe(130);
        expect(stderr).toContain('the same command goes on from there');
      }
      expect(existsSync(`${output}.unfinished`)).toBe(true);
    }
    appendFileSync(output, '{"predict":"brok'); // As a full disk or a power cut would leave it.
    const last = spawnSync(program, args(input, output), { encoding: 'utf8' });
    expect(last.status, last.stderr).toBe(0);
    expect(last.stderr).toMatch(/\d+ of 60 answers are there; going on/);
    expect(readFileSync(output, 'utf8')).toBe(readFileSync(straight, 'utf8'));
    // Complete now: not overwritten unless asked.
    const again = spawnSync(program, args(input, output), { encoding: 'utf8' });
    expect(again.status).toBe(2);
    expect(again.stderr).toContain('exists and is complete');
  });

  test('a full disk: nothing is left at the start, and what was written stays in mid-run', () => {
    const input = questionsFile('full.jsonl', 40);
    const limited = (output: string, blocks: number) =>
      spawnSync('bash', ['-c', `ulimit -f ${blocks}; exec "$@"`, 'bash', program, ...args(input, output)], {
        encoding: 'utf8',
      });
    const none = limited(join(folder, 'full.none.jsonl'), 0);
    expect(none.status, none.stderr).toBe(2);
    expect(none.stderr).toMatch(/^xinghe: \S+full\.none\.jsonl\S* could not be written/m);
    expect(readdirSync(folder).filter((name) => name.includes('full.none'))).toEqual([]);
    const output = join(folder, 'full.some.jsonl');
    const some = limited(output, 2);
    expect(some.status, some.stderr).toBe(2);
    expect(some.stderr).toMatch(
      /could not be written: .*The answers so far are kept; the same command goes on/,
    );
    expect(some.stderr).not.toMatch(/\n\s+at /);
    const last = spawnSync(program, args(input, output), { encoding: 'utf8' });
    expect(last.status, last.stderr).toBe(0);
    expect(last.stderr).toMatch(/[1-9]\d* of 40 answers are there; going on/);
    expect(answersIn(output).length).toBe(40);
  });

  longTest(
    'a second run of the same command on the same output is refused while the first writes',
    async () => {
      const input = questionsFile('twice.jsonl', 200);
      const output = join(folder, 'twice.out.jsonl');
      const first = spawn(program, args(input, output));
      await untilLines(output, 3, first);
      // It must not be through before the others have looked.
      first.kill('SIGSTOP');
      const second = spawnSync(program, args(input, output), { encoding: 'utf8' });
      expect(second.status).toBe(2);
      expect(second.stderr).toContain(`twice.out.jsonl: process ${first.pid} on`);
      expect(spawnSync(program, [...args(input, output), '--overwrite'], { encoding: 'utf8' }).status).toBe(
        2,
      );
      first.kill('SIGKILL');
      await once(first, 'close');
      const last = spawnSync(program, args(input, output), { encoding: 'utf8' });
      expect(last.status, last.stderr).toBe(0);
      expect(answersIn(output).length).toBe(200);
    },
  );

  test('an output that is cut off and has lost its note is not called complete; an empty one is begun', async () => {
    const input = questionsFile('lost.jsonl', 3);
    const output = join(folder, 'lost.out.jsonl');
    writeFileSync(output, '{"predict":"x"}\n{"predict":"y"}\n{"pre');
    const { code, stderr } = await run('--input', input, '--output', output, ...few);
    expect(code).toBe(2);
    expect(stderr).toMatch(/2 whole lines and one that is cut off for 3 questions, and no .*unfinished/);
    expect(stderr).not.toContain('complete');
    writeFileSync(output, '');
    expect((await run('--input', input, '--output', output, ...few)).code).toBe(0);
    expect(answersIn(output).length).toBe(3);
    // A device has no end to cut off.
    expect((await run('--input', input, '--output', '/dev/null', ...few)).code).toBe(0);
    const full = await run('--input', input, '--output', '/dev/full', ...few);
    expect(full.code).toBe(2);
    expect(full.stderr).toMatch(/\/dev\/full could not be written: the disk is full/);
  });

  test('is not continued with other questions or options', async () => {
    const input = questionsFile('four.jsonl', 4);
    const output = join(folder, 'other.jsonl');
    writeFileSync(output, '{"predict":"x"}\n');
    writeFileSync(`${output}.unfinished`, '{"fingerprint":"of something else","questions":4}\n');
    const { code, stderr } = await run('--input', input, '--output', output, ...few);
    expect(code).toBe(2);
    expect(stderr).toContain('other questions or options');
    expect((await run('--input', input, '--output', output, '--overwrite', ...few)).code).toBe(0);
    expect(answersIn(output).length).toBe(4);
  });
});
