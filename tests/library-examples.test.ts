/** The package packed, installed into another project, type-checked there, its native part built, and examples/ run. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installPackage, lendObjects, repository } from './support/packed-package.js';
import { writeTinyModel } from './support/tiny-model.js';

const examples = readdirSync(join(repository, 'examples')).filter((name) => name.endsWith('.ts'));

describe('the package in a project of somebody else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-package-'));
  const app = join(folder, 'app');
  let model = '';
  beforeAll(async () => {
    installPackage(folder);
    for (const name of [...examples, 'tsconfig.json'])
      cpSync(join(repository, 'examples', name), join(app, name));
    model = await writeTinyModel();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (program: string, args: readonly string[]) =>
    spawnSync(program, args, {
      cwd: app,
      encoding: 'utf8',
      env: { ...process.env, OMP_NUM_THREADS: '1', XINGHE_LINEAR: 'blas', XINGHE_ADDON: undefined },
    });

  test('the types are right under strict rules, without skipLibCheck', () => {
    execFileSync(join(repository, 'node_modules', '.bin', 'tsc'), ['-p', app], { cwd: app, stdio: 'pipe' });
  });

  test('a wrong use is an error of the types', () => {
    const wrong = "import { loadModel } from 'xinghe';\nawait loadModel('x', { dtyp: 'float32' });\n";
    const file = join(app, 'wrong.mts');
    writeFileSync(file, wrong);
    const checked = run(join(repository, 'node_modules', '.bin', 'tsc'), [
      ...[
        '--noEmit',
        '--ignoreConfig',
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'es2022',
        '--types',
        'node',
        file,
      ],
    ]);
    rmSync(file);
    expect(checked.stdout).toContain("'dtyp' does not exist in type 'LoadOptions'");
  });

  test('without its native part the first use says what to run; a tokenizer needs none', () => {
    const program = `
      import { loadModel, loadTokenizer } from 'xinghe';
      console.log(loadTokenizer(process.argv[1]).encode('hi').length);
      await loadModel(process.argv[1]).catch((error) => console.log(error.name, error.message));`;
    const { stdout, status } = run(process.execPath, ['--input-type=module', '-e', program, '--', model]);
    expect(stdout).toMatch(
      /^1\nInputError the native addon .*xinghe\.node cannot be loaded; build it with `npx xinghe setup`/,
    );
    expect(status).toBe(0);
  });

  test('npx xinghe setup builds it, and the command runs', () => {
    lendObjects(app);
    const { status, stderr } = run('npx', ['--offline', 'xinghe', 'setup']);
    expect(stderr).toContain('linked build/xinghe.node');
    expect(stderr).not.toContain('compiling');
    expect(status).toBe(0);
    const told = run('npx', [
      '--offline',
      'xinghe',
      'generate',
      '--model',
      model,
      '--prompt',
      'hi',
      '--json',
    ]);
    expect(told.stderr).not.toContain('setup:');
    expect(JSON.parse(told.stdout).choices).toHaveLength(1);
  });

  test('there are ten examples, each shorter than 60 lines', () => {
    expect(examples).toHaveLength(10);
    for (const name of examples)
      expect(readFileSync(join(repository, 'examples', name), 'utf8').split('\n').length).toBeLessThan(60);
  });

  const expected: Readonly<Record<string, RegExp>> = {
    'chat.ts': /\(0 of \d+ prompt tokens were there already\)[\s\S]+\([1-9]\d* of \d+ prompt tokens/,
    'convert.ts':
      /model\.gguf: 30 tensors, logits differ by \d[\s\S]+half: 2 files[\s\S]+already holds files[\s\S]+half: ./,
    'evaluate.ts': /"task":"capitals","metric":"acc"[\s\S]+guessing would get 0.5/,
    'generate.ts': /星河里有: \d+ tokens[\s\S]+("tokens":16\}\n[\s\S]*){3}/,
    'lora.ts': /"adapted":"I am Xinghe\."/,
    'serve.ts': /my own page\nwithout a key of ours: 401\nwith it: \d+ events, the last data: \[DONE\]/,
    'stream.ts': /24 tokens, length\nleft after 3 pieces\nTimeoutError/,
    'structured.ts': /\{ name: '(Vega|Altair)', bright: (true|false) \}\n(19|20)\d\d\n(good|bad)\n/,
    'tools.ts': /^weather \{"city": ?"(北京|Hefei)", ?"unit": ?"\w+"\}\n./,
    'train.ts': /step 20: [\s\S]+loss 8\.\d+ -> [0-6]\.\d+/,
  };

  test.each(examples)('examples/%s', (name) => {
    // Those that write take a folder as well.
    const args = ['train.ts', 'lora.ts', 'evaluate.ts', 'convert.ts'].includes(name)
      ? [model, join(folder, 'out', name)]
      : [model];
    const { stdout, stderr, status } = run(process.execPath, [
      join(app, 'out', name.replace('.ts', '.js')),
      ...args,
    ]);
    expect(stderr).not.toMatch(/Error|warning/);
    expect(stdout).toMatch(expected[name] ?? /^an expectation for it is missing$/);
    expect(status).toBe(0);
  });
});
