/**
 * Bad input of `xinghe convert` through the whole command line, in process: exit code 2, one message, no stack trace,
 * nothing on stdout, nothing written.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { writeSafetensors } from '../src/formats/index.js';
import { goldenFolder } from './support/golden.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-convert-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (...names: string[]): string => join(folder, ...names);

const xverse = `${goldenFolder}xverse`;
const sparkFolder = `${goldenFolder}spark`;
const spark = `${sparkFolder}/model.safetensors`;
const adapter = `${xverse}/peft_adapter`;

let stdout = '';
let stderr = '';
beforeEach(() => {
  stdout = '';
  stderr = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    stdout += String(chunk);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    stderr += String(chunk);
    return true;
  });
  return () => vi.restoreAllMocks();
});

function listing(): string[] {
  return readdirSync(folder, { recursive: true }).map(String).sort();
}

async function refuses(from: string, options: readonly string[], message: RegExp, to = at('out')) {
  stderr = '';
  const before = listing();
  const code = await main(['convert', '--from', from, '--to', to, ...options]);
  expect(stderr).toMatch(message);
  expect(code, stderr).toBe(2);
  // Remarks on what is read may stand before the message.
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^xinghe( convert)?: /);
  expect(stderr.split('\n').filter((line) => /^xinghe( convert)?: /.test(line)).length).toBe(1);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(stdout).toBe('');
  expect(listing()).toEqual(before);
}

/** A folder of rank_0, rank_1, … */
function ranks(name: string, files: readonly string[], numbers = files.map((_, index) => index)): string {
  for (const [index, file] of files.entries()) {
    const rank = at(name, `rank_${numbers[index]}`);
    mkdirSync(rank, { recursive: true });
    cpSync(file, join(rank, basename(files[0] ?? file)));
  }
  return at(name);
}

const MP2 = [0, 1].map((rank) => {
  const path = `${sparkFolder}/ckpt_mp2/rank_${rank}`;
  return join(path, readdirSync(path).find((name) => name.endsWith('.ckpt')) ?? '');
});

function tensorFile(path: string, tensors: Record<string, readonly number[]>): string {
  writeSafetensors(
    path,
    Object.entries(tensors).map(([name, shape]) => {
      const bytes = Buffer.alloc(4 * shape.reduce((product, size) => product * size, 1), name);
      return { name, dtype: 'float32', shape: [...shape], bytes: () => bytes };
    }),
  );
  return path;
}

describe('sources that are none', () => {
  beforeAll(() => {
    writeFileSync(at('empty.safetensors'), '');
    writeFileSync(at('empty.ckpt'), '');
    writeFileSync(at('empty.bin'), '');
    writeFileSync(at('notes.txt'), 'All the world is a stage.');
    writeFileSync(at('notes.safetensors'), 'All the world is a stage.');
    writeFileSync(at('notes.ckpt'), 'All the world is a stage.');
    mkdirSync(at('bare'));
    writeFileSync(at('bare', 'config.json'), '{}');
    mkdirSync(at('sharded'));
    cpSync(`${xverse}/sharded`, at('sharded'), { recursive: true });
    rmSync(at('sharded', readdirSync(at('sharded')).find((name) => /00002-of/.test(name)) ?? ''));
    // c__builtin__\neval\n(S'1'\ntR. : a pickle that calls code.
    writeFileSync(at('code.bin'), '\x80\x02c__builtin__\neval\n(X\x01\0\0\x001tR.', 'latin1');
    const header = '{"t":{"dtype":"F9","shape":[1],"data_offsets":[0,4]}}';
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(at('dtype.safetensors'), Buffer.concat([start, Buffer.from(header), Buffer.alloc(4)]));
  });

  test.each<[string, RegExp]>([
    ['nowhere', /nowhere does not exist; check the path/],
    ['empty.safetensors', /empty\.safetensors .*(empty|0 bytes|too short)/],
    ['empty.ckpt', /empty\.ckpt .*(empty|no tensor)/],
    ['empty.bin', /empty\.bin .*(empty|0 bytes)/],
    ['notes.txt', /notes\.txt is no file of tensors that is known here \(it begins with 0x416c6c/],
    ['notes.safetensors', /notes\.safetensors/],
    ['notes.ckpt', /notes\.ckpt/],
    ['bare', /bare holds no weights: no \.safetensors/],
    ['sharded', /00002-of-.*(does not exist|missing)/],
    ['code.bin', /code\.bin is a Python pickle, but not one that torch\.save wrote/],
    ['dtype.safetensors', /dtype\.safetensors.*F9/],
  ])('%s', (name, message) => refuses(at(name), [], message));

  const golden = [spark, `${sparkFolder}/spark_fp32.ckpt`, `${goldenFolder}telechat-7b/pytorch_model.bin`];
  const legacy = `${goldenFolder}telechat-7b/pytorch_model.legacy.bin`;
  test.each(
    [...golden, legacy].flatMap((path) => [0.001, 0.02, 0.5, 0.97, 1].map((part) => [path, part] as const)),
  )('%s cut at %d of its length', async (path, part) => {
    const cut = at(`cut-${basename(path)}`);
    const content = readFileSync(path);
    writeFileSync(cut, content);
    truncateSync(cut, Math.min(content.length - 1, Math.floor(content.length * part)));
    await refuses(cut, [], new RegExp(`cut-${basename(path)}`));
    rmSync(cut);
  });
});

describe('ranks that do not belong together', () => {
  test.each<[string, () => string, string[], RegExp]>([
    ['a hole', () => ranks('hole', MP2, [0, 2]), [], /rank_0, rank_2, but not rank_1/],
    [
      'other shapes',
      () => ranks('mixed', [MP2[0] ?? '', `${sparkFolder}/spark_fp32.ckpt`]),
      [],
      /the ranks' parts of .* differ: float32 \[\d+.*\], float32 \[.*do not belong to one checkpoint/,
    ],
    [
      'a rank without some tensors',
      () =>
        ranks('lacking', [tensorFile(at('l0.safetensors'), LAYER), tensorFile(at('l1.safetensors'), HALF)]),
      ['--config', `${xverse}/config.json`],
      /rank_1 lacks tensor layers\.0\.\S+, which rank_0 has/,
    ],
    [
      'a rank with more tensors',
      () => ranks('surplus', [at('l1.safetensors'), at('l0.safetensors')]),
      ['--config', `${xverse}/config.json`],
      /rank_0 lacks tensor layers\.0\.\S+, which rank_1 has/,
    ],
    [
      'copies taken for parts',
      () => ranks('copies', [`${sparkFolder}/spark_fp32.ckpt`, `${sparkFolder}/spark_fp32.ckpt`]),
      [],
      /all 2 model-parallel ranks hold the same bytes.*--source-layout dp=2/,
    ],
    [
      'parts taken for copies',
      () => ranks('parts', MP2),
      ['--source-layout', 'dp=2'],
      /the data-parallel copies of .* differ.*the layout is not dp=2, mp=1, pp=1/,
    ],
    [
      'copies taken for shares of a sharded optimiser',
      () => at('copies'),
      ['--source-layout', 'dp=2,optimizer-shard'],
      /all 2 data-parallel ranks hold the same bytes: nothing is sharded/,
    ],
    [
      'parts taken for stages',
      () => at('parts'),
      ['--source-layout', 'pp=2'],
      /rank_1 holds only tensors that earlier ranks hold too, which is no pipeline stage/,
    ],
    ['too few', () => at('parts'), ['--source-layout', 'mp=4'], /2 ranks, but the layout .*mp=4.* has 4/],
    [
      'one of the two that layout.json tells of',
      () => {
        const path = ranks('first', MP2.slice(0, 1));
        const sizes = { dataParallel: 1, modelParallel: 2, pipelineStages: 1, optimizerShard: false };
        writeFileSync(join(path, 'layout.json'), JSON.stringify(sizes));
        return path;
      },
      [],
      /1 ranks, but the layout dp=1, mp=2, pp=1 has 2/,
    ],
    [
      'of a model that nobody knows',
      () => {
        const file = tensorFile(at('strange.safetensors'), { 'a.weight': [4, 4], 'b.weight': [4] });
        return ranks('unknown', [file, file]);
      },
      [],
      /2 ranks of a model that no family here knows/,
    ],
  ])('%s', async (_, make, options, message) => {
    await refuses(make(), options, message);
  });
});

const LAYER = {
  'model.layers.0.self_attn.q_proj.weight': [8, 16],
  'model.layers.0.self_attn.k_proj.weight': [8, 16],
  'model.layers.0.self_attn.v_proj.weight': [8, 16],
};
const HALF = {
  'model.layers.0.self_attn.q_proj.weight': [8, 16],
  'model.layers.0.self_attn.k_proj.weight': [8, 16],
};

describe('options', () => {
  test.each<[string, string, string[], RegExp]>([
    [
      'a layout that does not divide',
      spark,
      ['--layout', 'mp=7'],
      /7 ranks cannot share its dimension 0 evenly/,
    ],
    ['more stages than layers', spark, ['--layout', 'pp=9'], /9 pipeline stages for 3 layers/],
    ['a layout that is none', spark, ['--layout', 'mp=two'], /--layout is "mp=two"; give sizes from 1/],
    ['an empty layout', spark, ['--layout', ''], /--layout/],
    ['a layout of nothing', spark, ['--layout', 'mp=0'], /--layout is "mp=0"; give sizes from 1/],
    ['a huge layout', spark, ['--layout', 'dp=1000000000'], /1000000000 ranks are more than the 8192/],
    ['layout and shards', spark, ['--layout', 'mp=2', '--shards', '2'], /--layout \(ranks\) or --shards/],
    [
      'layout and size',
      spark,
      ['--layout', 'mp=2', '--max-shard-size', '1GB'],
      /--layout \(ranks\) or --max-shard-size/,
    ],
    [
      'shards and size',
      spark,
      ['--shards', '2', '--max-shard-size', '1GB'],
      /--shards or --max-shard-size, not both/,
    ],
    ['no shard', spark, ['--shards', '0'], /--shards is 0; give 1 or more/],
    ['more shards than tensors', spark, ['--shards', '1000'], /--shards 1000: the model has \d+ tensors/],
    ['shards of a ckpt', spark, ['--format', 'ckpt', '--shards', '2'], /ckpt files hold a whole model/],
    [
      'a size that is none',
      spark,
      ['--max-shard-size', 'nonsense'],
      /--max-shard-size is "nonsense"; give a size/,
    ],
    ['a size of nothing', spark, ['--max-shard-size', '0GB'], /--max-shard-size is "0GB"/],
    ['an unknown spelling', spark, ['--names', 'french'], /--names is "french"; give one of published/],
    ['a spelling that the family lacks', xverse, ['--names', 'megatron'], /no megatron spelling/],
    ['an unknown format', spark, ['--format', 'zip'], /--format is "zip"/],
    ['an unknown dtype', spark, ['--dtype', 'int4'], /--dtype is "int4"/],
    [
      'merge and unmerge',
      xverse,
      ['--merge', '--unmerge', '--adapter', adapter],
      /--merge or --unmerge, not both/,
    ],
    ['an adapter for nothing', xverse, ['--adapter', adapter], /neither merging nor unmerging was asked for/],
    ['a merge of nothing', xverse, ['--merge'], /holds no LoRA matrices to merge/],
    [
      'an alpha that is none',
      xverse,
      ['--merge', '--adapter', adapter, '--lora-alpha', 'NaN'],
      /--lora-alpha is "NaN"; give a number/,
    ],
    [
      'an adapter of another model',
      spark,
      ['--merge', '--adapter', adapter],
      /belongs to no layer of this model/,
    ],
    [
      'an adapter that is not there',
      xverse,
      ['--merge', '--adapter', at('none')],
      /none does not exist|no such/,
    ],
    ['a config that is not there', xverse, ['--config', at('none.json')], /none\.json does not exist/],
    ['an unknown option', spark, ['--shard', '2'], /unknown option --shard; did you mean --shards\?/],
  ])('%s', (_, from, options, message) => refuses(from, options, message));

  test('a fused spelling without one of its parts', async () => {
    const path = tensorFile(at('partial.safetensors'), { ...SPARK_PART });
    await refuses(path, ['--names', 'megatron'], /is made of .*, but \S+ is not in the source/);
  });
});

const SPARK_PART = {
  'transformer.transformer.layers.0.mlp.fc0.weight': [4, 4],
  'transformer.transformer.layers.0.attention.q_proj.weight': [4, 4],
};

describe('targets', () => {
  test('the source itself, a place inside it, around it, or behind a link', async () => {
    const model = at('model');
    cpSync(xverse, model, { recursive: true });
    mkdirSync(join(model, 'deep'));
    cpSync(spark, join(model, 'deep', 'model.safetensors'));
    symlinkSync(model, at('link'));
    const message = /lie in each other; name another place/;
    const replace = ['--overwrite'];
    await refuses(model, replace, message, model);
    await refuses(model, replace, message, join(model, 'inside'));
    await refuses(model, replace, message, join(model, 'inside.safetensors'));
    await refuses(join(model, 'model.safetensors'), replace, message, join(model, 'model.safetensors'));
    await refuses(join(model, 'model.safetensors'), replace, message, model);
    await refuses(join(model, 'deep', 'model.safetensors'), replace, message, model);
    await refuses(at('link'), replace, message, model);
    await refuses(model, replace, message, at('link'));
    await refuses(model, replace, message, at('link', 'inside'));
  });

  test('places that hold something or cannot be', async () => {
    mkdirSync(at('full'));
    writeFileSync(at('full', 'a'), '');
    await refuses(spark, [], /already holds files/, at('full'));
    await refuses(spark, [], /is not a folder|already/, at('full', 'a'));
    await refuses(spark, [], /a part of the path is a file|not a folder/, at('full', 'a', 'b'));
    await refuses(
      spark,
      ['--format', 'bin'],
      /ending of ckpt, but the format asked for is bin/,
      at('x.ckpt'),
    );
    await refuses(spark, ['--shards', '2'], /names one file; name a folder for shards/, at('x.bin'));
    await refuses(spark, ['--layout', 'mp=2'], /names one file; name a folder for ranks/, at('x.ckpt'));
  });
});
