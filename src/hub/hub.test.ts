/** The cache of the hub, and fetching into it from a small server of ours that fails in every way. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { COMMIT, etagOf, HubServer } from '../../tests/support/hub-server.js';
import { chooseFiles } from './choose-files.js';
import { downloadRepository, findInCache, hubCacheFolder, parseRepositoryId } from './index.js';
import { isSafePath } from './repository-id.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-hub-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const weights = Buffer.alloc(300_000, 'weights ');
const server = new HubServer('models/org/name', {
  'config.json': { content: Buffer.from('{"a": 1}') },
  'sub/notes 1.txt': { content: Buffer.from('notes') },
  'model.safetensors': { content: weights, isLarge: true },
  'pytorch_model.bin': { content: Buffer.from('the same again'), isLarge: true },
});
let stderr = '';
let count = 0;
let cache = '';

beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  stderr = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  vi.stubEnv('HF_TOKEN', '');
  cache = join(folder, `cache-${count++}`);
  server.reset();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const snapshot = (): string => join(cache, 'models--org--name', 'snapshots', COMMIT);
const blobs = (): string => join(cache, 'models--org--name', 'blobs');

function fetchIt(endpoint = server.address, name = 'org/name'): Promise<string> {
  const repository = parseRepositoryId(name, 'model');
  if (repository === undefined) throw new Error(`${name} is no repository`);
  return downloadRepository(repository, { endpoint, cache, place: 'model', backOff: 5 });
}

/** Nothing that a later command would take for the repository. */
function expectNothing(): void {
  expect(existsSync(join(cache, 'models--org--name', 'refs', 'main'))).toBe(false);
  expect(existsSync(join(snapshot(), 'model.safetensors'))).toBe(false);
}

describe('fetching', () => {
  test('files become blobs and links, by commit and branch, in the layout of the hub', async () => {
    expect(await fetchIt()).toBe(snapshot());
    const model = join(snapshot(), 'model.safetensors');
    expect(lstatSync(model).isSymbolicLink()).toBe(true);
    expect(readFileSync(model).equals(weights)).toBe(true);
    expect(readFileSync(join(snapshot(), 'sub', 'notes 1.txt'), 'utf8')).toBe('notes');
    expect(readFileSync(join(cache, 'models--org--name', 'refs', 'main'), 'utf8')).toBe(COMMIT);
    expect(readdirSync(blobs()).sort()).toEqual(
      ['config.json', 'sub/notes 1.txt', 'model.safetensors']
        .map((name) => etagOf(server.files.get(name)!))
        .sort(),
    );
    expect(stderr).toContain('not fetched (pytorch_model.bin)');
    expect(server.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  test('what is there is not fetched again; a missing file is', async () => {
    await fetchIt();
    server.seen.length = 0;
    await fetchIt();
    expect(server.seen.map(({ url }) => url)).toEqual(['/api/models/org/name/revision/main']);
    rmSync(join(snapshot(), 'config.json'));
    await fetchIt();
    expect(existsSync(join(snapshot(), 'config.json'))).toBe(true);
    // The blob was still there.
    expect(server.seen.filter(({ method, url }) => method === 'GET' && url.includes('resolve'))).toEqual([]);
  });

  test.each([1, 3, 6])('a connection that is cut %d times goes on where it broke off', async (cuts) => {
    server.faults.cuts = cuts;
    await fetchIt();
    expect(readFileSync(join(snapshot(), 'model.safetensors')).equals(weights)).toBe(true);
    expect(server.seen.some(({ range }) => range !== undefined)).toBe(true);
  });

  test('a process that ended goes on, too; without ranges it begins anew', async () => {
    const etag = etagOf({ content: weights, isLarge: true });
    for (const ignoresRanges of [false, true]) {
      mkdirSync(blobs(), { recursive: true });
      writeFileSync(join(blobs(), `${etag}.incomplete`), weights.subarray(0, 100_000));
      server.faults.ignoresRanges = ignoresRanges;
      await fetchIt();
      expect(server.seen.filter(({ range }) => range === 'bytes=100000-').length).toBeGreaterThan(0);
      expect(readFileSync(join(snapshot(), 'model.safetensors')).equals(weights)).toBe(true);
      rmSync(cache, { recursive: true });
      server.seen.length = 0;
    }
  });

  test('bytes that are not those of the hash are removed, and the repository is not there', async () => {
    server.faults.isForged = true;
    await expect(fetchIt()).rejects.toThrow(
      /model\.safetensors: has SHA-256 [0-9a-f]{64}, and the hub says .*removed/,
    );
    expectNothing();
    expect(readdirSync(blobs()).filter((name) => name.endsWith('.incomplete'))).toEqual([]);
    server.faults.isForged = false;
    await fetchIt();
  });

  test('of a small file git’s own hash is checked', async () => {
    const etag = etagOf({ content: Buffer.from('{"a": 1}') });
    mkdirSync(blobs(), { recursive: true });
    writeFileSync(join(blobs(), `${etag}.incomplete`), '{"a": 2');
    await expect(fetchIt()).rejects.toThrow(/git's SHA-1/);
  });

  test('401, with a token and without; the token is in no message', async () => {
    server.token = 'hf_right';
    await expect(fetchIt()).rejects.toThrow(/answers 401: .*set HF_TOKEN/);
    vi.stubEnv('HF_TOKEN', 'hf_wrong');
    const error: unknown = await fetchIt().catch((reason: unknown) => reason);
    expect(String(error)).toContain('the token in HF_TOKEN');
    expect(`${String(error)}${stderr}`).not.toContain('hf_wrong');
    vi.stubEnv('HF_TOKEN', 'hf_right');
    await fetchIt();
  });

  test('the token goes to the hub and never to the host of a redirect', async () => {
    vi.stubEnv('HF_TOKEN', 'hf_secret');
    await fetchIt();
    const [hub, store] = ['hub', 'store'].map((host) =>
      server.seen.filter((request) => request.host === host),
    );
    expect(hub?.every(({ authorization }) => authorization === 'Bearer hf_secret')).toBe(true);
    expect(store?.length).toBeGreaterThan(0);
    expect(store?.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  test('404 names the address', async () => {
    await expect(fetchIt(server.address, 'org/other')).rejects.toThrow(
      /\/api\/models\/org\/other\/revision\/main: answers 404.*no such repository/,
    );
    await expect(fetchIt(server.address, 'org/name@v2')).rejects.toThrow(/revision\/v2: answers 404/);
  });

  test('429 is waited for as long as it says, and not for ever', async () => {
    server.faults.busy = 3;
    await fetchIt();
    expect(stderr).toContain('answers 429; once more in 0.0 s');
    server.reset();
    rmSync(cache, { recursive: true });
    server.faults.busy = 1000;
    await expect(fetchIt()).rejects.toThrow(/answers 429.*the same command goes on from there/);
    expectNothing();
  });

  test.each(['../evil', '/etc/evil', 'a/../../evil', 'a\\..\\evil', 'C:evil', 'a//b', './a', 'a\0b', ''])(
    'the name %j is refused before anything is fetched',
    async (name) => {
      server.faults.names = [name];
      await expect(fetchIt()).rejects.toThrow(/would lie outside of the repository/);
      expect(existsSync(cache)).toBe(false);
      expect(isSafePath(name)).toBe(false);
    },
  );

  test.each(['../../evil', 'a/b', '', '..'])('the ETag %j names no blob', async (etag) => {
    server.faults.etag = etag;
    await expect(fetchIt()).rejects.toThrow(/its ETag is/);
    expectNothing();
  });

  test('a commit that is no name is refused', async () => {
    server.faults.sha = '../../evil';
    await expect(fetchIt()).rejects.toThrow(/sha: expected a commit/);
  });

  test.each<[redirect: string, message: RegExp]>([
    ['file:///etc/passwd', /redirects to file:/],
    ['http://', /which is no address|cannot be reached/],
  ])('a redirect to %s is refused', async (redirect, message) => {
    server.faults.redirect = redirect;
    await expect(fetchIt()).rejects.toThrow(message);
    expectNothing();
  });

  test('a redirect in a circle ends', async () => {
    server.faults.redirect = `${server.address}/org/name/resolve/${COMMIT}/model.safetensors`;
    await expect(fetchIt()).rejects.toThrow(/more than 5 redirects/);
  });

  test.each<[endpoint: string, message: RegExp]>([
    ['huggingface', /is no address/],
    ['ftp://x', /ftp: is not understood/],
    ['http://me:secret@x', /the token comes from HF_TOKEN/],
    ['http://x/?token=1', /without \? and #/],
    ['http://127.0.0.1:9', /cannot be reached \(/],
  ])('--hub %s', async (endpoint, message) => {
    await expect(fetchIt(endpoint)).rejects.toThrow(message);
  });

  test('HF_HUB_OFFLINE and --hub contradict each other', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    await expect(fetchIt()).rejects.toThrow(/HF_HUB_OFFLINE/);
    expect(server.seen).toEqual([]);
  });
});

describe('the cache', () => {
  const repository = (name: string, commits: readonly string[], main?: string): string => {
    const path = join(cache, name);
    for (const commit of commits) {
      mkdirSync(join(path, 'snapshots', commit), { recursive: true });
      mkdirSync(join(path, 'blobs'), { recursive: true });
      writeFileSync(join(path, 'blobs', commit), commit);
      symlinkSync(`../../blobs/${commit}`, join(path, 'snapshots', commit, 'file.txt'));
    }
    mkdirSync(join(path, 'refs'), { recursive: true });
    if (main !== undefined) writeFileSync(join(path, 'refs', 'main'), `${main}\n`);
    return path;
  };
  const find = (text: string, kind: 'model' | 'dataset' = 'model'): string =>
    findInCache(text, kind, { HF_HUB_CACHE: cache });

  test('its folder: HF_HUB_CACHE, HF_HOME, the cache folder of the user', () => {
    expect(hubCacheFolder({ HF_HUB_CACHE: '/a', HF_HOME: '/b' })).toBe('/a');
    expect(hubCacheFolder({ HF_HOME: '/b', XDG_CACHE_HOME: '/c' })).toBe('/b/hub');
    expect(hubCacheFolder({ XDG_CACHE_HOME: '/c' })).toBe('/c/huggingface/hub');
    expect(hubCacheFolder({})).toMatch(/\/\.cache\/huggingface\/hub$/);
  });

  test('a repository by its folder, by a path in it, by its name and revision', () => {
    const path = repository('models--org--name', ['aa', 'bb'], 'bb');
    expect(find(path)).toBe(join(path, 'snapshots', 'bb'));
    expect(find(join(path, 'file.txt'))).toBe(join(path, 'snapshots', 'bb', 'file.txt'));
    expect(find(join(path, 'snapshots', 'aa'))).toBe(join(path, 'snapshots', 'aa'));
    expect(find('org/name')).toBe(join(path, 'snapshots', 'bb'));
    expect(find('org/name@aa')).toBe(join(path, 'snapshots', 'aa'));
    expect(find('org/name/file.txt')).toBe(join(path, 'snapshots', 'bb', 'file.txt'));
    expect(find('org/name', 'dataset')).toBe('org/name');
    const data = repository('datasets--org--name', ['cc']);
    expect(find('org/name/file.txt', 'dataset')).toBe(join(data, 'snapshots', 'cc', 'file.txt'));
  });

  test('what lies here goes before it; what neither knows stays as it is', () => {
    repository('models--src--hub', ['aa'], 'aa');
    expect(find('src/hub')).toBe('src/hub');
    for (const text of ['no/such', 'org', '/no/such', './org/name', '../org/name', 'a/b--c', '', 'x/y.yaml'])
      expect(find(text)).toBe(text);
  });

  test.each<[commits: string[], main: string | undefined, message: RegExp]>([
    [['aa', 'bb'], undefined, /no refs\/main, and 2 snapshots \(aa, bb\)/],
    [['aa'], 'bb', /names the commit "bb"/],
    [['aa'], '../../..', /names the commit "\.\.\/\.\.\/\.\."/],
    [['aa'], '..', /names the commit "\.\."/],
  ])('%j with refs/main %j', (commits, main, message) => {
    repository('models--org--name', commits, main);
    expect(() => find('org/name')).toThrow(message);
  });
});

test.each<[files: string[], place: 'model' | 'tokenizer' | 'data', path: string, wanted: string[] | RegExp]>([
  [
    ['a.safetensors', 'a.bin', 'onnx/model.onnx', 'config.json'],
    'model',
    '',
    ['a.safetensors', 'config.json'],
  ],
  [['x.bin.index.json', 'x-1.bin', 'x.h5'], 'model', '', ['x.bin.index.json', 'x-1.bin']],
  [['a.safetensors', 'tokenizer.json'], 'tokenizer', '', ['tokenizer.json']],
  [['a.gguf', 'b.gguf'], 'model', '', /holds 2 GGUF files; name one of them: o\/n\/a\.gguf/],
  [['a.gguf', 'b.gguf', 'c.json'], 'model', 'b.gguf', ['b.gguf', 'c.json']],
  [
    ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf'],
    'model',
    '',
    ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf'],
  ],
  [['d/a.jsonl', 'd/b.jsonl', 'e.csv'], 'data', 'd', ['d/a.jsonl', 'd/b.jsonl']],
  [['d/a.jsonl', 'e.csv'], 'data', '', ['d/a.jsonl', 'e.csv']],
  [['e.csv'], 'data', 'd.csv', /has no file d\.csv; there are e\.csv/],
])('of %j for a %s "%s"', (files, place, path, wanted) => {
  if (wanted instanceof RegExp) expect(() => chooseFiles(files, place, path, 'o/n')).toThrow(wanted);
  else expect(chooseFiles(files, place, path, 'o/n').wanted).toEqual(wanted);
});
