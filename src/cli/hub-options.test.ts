/** `--model` and data paths of the commands: a cache of the hub, `ORG/NAME` in it, and `--hub` with a server of ours. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { COMMIT, HubServer } from '../../tests/support/hub-server.js';
import { writeTinyModel } from '../../tests/support/tiny-model.js';
import { main } from './main.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-hub-cli-'));
const cache = join(folder, 'hub');
const cached = join(cache, 'models--org--tiny');
let model = '';
let server: HubServer;

beforeAll(async () => {
  model = await writeTinyModel();
  // As the hub's own programs leave it: blobs, and links to them.
  cpSync(model, join(cached, 'snapshots', COMMIT), { recursive: true });
  mkdirSync(join(cached, 'blobs'));
  for (const name of readdirSync(join(cached, 'snapshots', COMMIT))) {
    renameSync(
      join(cached, 'snapshots', COMMIT, name),
      join(cached, 'blobs', `blob-${name.length}${name[0]}`),
    );
    symlinkSync(`../../blobs/blob-${name.length}${name[0]}`, join(cached, 'snapshots', COMMIT, name));
  }
  mkdirSync(join(cached, 'refs'));
  writeFileSync(join(cached, 'refs', 'main'), COMMIT);
  const texts = join(cache, 'datasets--org--texts', 'snapshots', COMMIT);
  mkdirSync(texts, { recursive: true });
  writeFileSync(join(texts, 'a.jsonl'), '{"text": "one two three four five six seven eight nine ten"}\n');
  const files = readdirSync(model).map((name) => [
    name,
    { content: readFileSync(join(model, name)), isLarge: name.endsWith('.safetensors') },
  ]);
  server = new HubServer('models/org/fetched', Object.fromEntries(files));
  await server.start();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

let stdout = '';
let stderr = '';
beforeEach(() => {
  [stdout, stderr] = ['', ''];
  vi.stubEnv('HF_HUB_CACHE', cache);
  vi.stubEnv('HF_TOKEN', '');
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  server.reset();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const generate = (path: string, ...more: string[]): Promise<number> =>
  main(['generate', '--model', path, '--prompt', 'hello', '--max-new-tokens', '4', ...more]);

test('the folder of a repository, its snapshot, and its name give the model', async () => {
  await generate(model);
  const expected = stdout;
  for (const path of [cached, join(cached, 'snapshots', COMMIT), 'org/tiny', `org/tiny@${COMMIT}`]) {
    stdout = '';
    expect(await generate(path), stderr).toBe(0);
    expect(stdout).toBe(expected);
  }
  // Nobody was asked.
  expect(server.seen).toEqual([]);
});

test('--hub fetches what neither lies here nor was fetched before, then the cache has it', async () => {
  await generate(model);
  const expected = stdout;
  expect(await generate('org/fetched')).toBe(2);
  expect(stderr).toMatch(/org\/fetched: no such model folder.*--hub URL fetches one/);
  expect(server.seen).toEqual([]);
  stdout = '';
  expect(await generate('org/fetched', '--hub', server.address), stderr).toBe(0);
  expect(stdout).toBe(expected);
  const { length } = server.seen;
  stdout = '';
  expect(await generate('org/fetched'), stderr).toBe(0);
  expect(stdout).toBe(expected);
  // What lies here is not asked for.
  expect(await generate(model, '--hub', server.address)).toBe(0);
  expect(server.seen.length).toBe(length);
});

test('several ranks fetch nothing', async () => {
  vi.stubEnv('RANK', '0');
  vi.stubEnv('WORLD_SIZE', '2');
  expect(await generate('org/other', '--hub', server.address)).toBe(2);
  expect(stderr).toContain('--hub: 2 ranks were started');
  expect(server.seen).toEqual([]);
});

test('data of the cache, for preparing and for training', async () => {
  const prepare = ['data', 'prepare', '--form', 'text', '--recipe', 'xverse-pretrain', '--seq-length', '8'];
  const output = join(folder, 'rows');
  expect(
    await main([...prepare, '--tokenizer', 'org/tiny', '--input', 'org/texts/a.jsonl', '--output', output]),
    stderr,
  ).toBe(0);
  const config = join(folder, 'train.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      output: join(folder, 'out'),
      model: { path: 'org/tiny' },
      data: { files: [join(cache, 'datasets--org--texts', 'a.jsonl')], form: 'text', sequence_length: 8 },
      training: { steps: 1, micro_batch_size: 1 },
    }),
  );
  expect(await main(['train', '--config', config]), stderr).toBe(0);
});

test.each([
  ['forward', '--input', 'x.json', '--output', 'x.safetensors'],
  ['plan'],
  ['convert', '--to', 'x'],
  ['quantize', '--to', 'int8', '--output', 'x'],
  ['chat', '--message', 'x'],
  ['serve'],
  ['score', '--input', 'x.jsonl'],
  ['evaluate', '--task', 'ceval', '--data', 'x', '--output', 'x'],
])('%s knows of the cache: a repository that is nowhere is named as one', async (command, ...more) => {
  const option = command === 'convert' ? '--from' : '--model';
  expect(await main([command, option, 'nobody/nothing', ...more])).toBe(2);
  expect(stderr).toMatch(
    /nobody\/nothing: no such model folder or weight file, and no repository of this name in the cache/,
  );
});
