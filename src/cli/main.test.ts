/**
 * Bad input through the whole command line, in process: exit code 2, one message that names the place, the value and
 * the way out, no stack trace, nothing on stdout, nothing left on disk.
 */
import {
  chmodSync,
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
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { withTokenizer } from '../../tests/support/gguf-models.js';
import { goldenFolder } from '../../tests/support/golden.js';
import { openSafetensorsModel, readJsonFile, writeSafetensors } from '../formats/index.js';
import { main } from './main.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const xverse = `${goldenFolder}xverse`;
const gpt2Tokenizer = `${goldenFolder}tokenizers/bbpe_gpt2`; // 1000 ids; the golden model has 320
const ids = join(folder, 'ids.json');
const output = join(folder, 'out.safetensors');

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
  writeFileSync(ids, JSON.stringify({ input_ids: [[5, 6, 7]] }));
  return () => vi.restoreAllMocks();
});

/** Runs a command that must fail by its input, and checks how. */
async function refuses(argv: readonly string[], message: RegExp): Promise<void> {
  const before = readdirSync(folder, { recursive: true }).map(String).sort();
  const code = await main(argv);
  expect(stderr).toMatch(message);
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(/^(data: .*\n)*xinghe( [a-z]+)*: /);
  expect(stderr).not.toMatch(/xinghe: xinghe|ENOENT|EACCES|EISDIR/);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(stdout).toBe('');
  expect(readdirSync(folder, { recursive: true }).map(String).sort()).toEqual(before);
}

interface Tensor {
  name: string;
  dtype: 'float32' | 'int32';
  shape: number[];
  bytes: Uint8Array;
}

/** The golden model in a folder of its own, changed. */
function changedModel(
  name: string,
  changes: (tensors: Map<string, Tensor>) => void,
  config: object = {},
): string {
  const target = join(folder, name);
  mkdirSync(target, { recursive: true });
  const source = join(xverse, 'model.safetensors');
  const content = readFileSync(source);
  const tensors = new Map(
    [...openSafetensorsModel(source).tensors].map(([key, entry]): [string, Tensor] => [
      key,
      {
        name: key,
        dtype: 'float32',
        shape: [...entry.shape],
        bytes: Uint8Array.from(content.subarray(entry.byteStart, entry.byteEnd)),
      },
    ]),
  );
  changes(tensors);
  writeSafetensors(
    join(target, 'model.safetensors'),
    [...tensors.values()].map((tensor) => ({ ...tensor, bytes: () => tensor.bytes })),
  );
  const own = readJsonFile(join(xverse, 'config.json'));
  writeFileSync(join(target, 'config.json'), JSON.stringify(Object.assign({}, own, config)));
  return target;
}

function get(tensors: Map<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`no ${name}`);
  return tensor;
}

const UP = 'model.layers.1.mlp.up_proj.weight';
const forward = (model: string): string[] => [
  'forward',
  '--model',
  model,
  '--input',
  ids,
  '--output',
  output,
];

describe('the program itself', () => {
  test.each([['--version'], ['version'], ['-V']])('%s', async (word) => {
    expect(await main([word])).toBe(0);
    expect(stdout).toMatch(/^xinghe \d+\.\d+\.\d+\n$/);
  });

  test.each([
    [['help'], /^xinghe COMMAND/],
    [['help', 'train'], /^xinghe train: /],
    [['help', 'data', 'prepare'], /^xinghe data prepare: /],
    [['help', 'tokenizer'], /^xinghe tokenizer SUBCOMMAND/],
  ])('%j', async (argv, text) => {
    expect(await main(argv)).toBe(0);
    expect(stdout).toMatch(text);
  });

  test('an unknown command behind help is refused', async () => {
    await refuses(['help', 'trian'], /^xinghe: unknown command "trian"\. Did you mean `train`/);
  });

  test('tokenizer encode and decode of arguments, on stdout', async () => {
    expect(await main(['tokenizer', 'encode', '--tokenizer', gpt2Tokenizer, 'Hello', 'world'])).toBe(0);
    const ids = stdout.trim();
    expect(ids).toMatch(/^\d+( \d+)*$/);
    stdout = '';
    expect(await main(['tokenizer', 'decode', ...ids.split(' '), '--tokenizer', gpt2Tokenizer])).toBe(0);
    expect(stdout).toBe('Hello world\n');
    stdout = '';
    expect(await main(['tokenizer', 'encode', '--tokenizer', gpt2Tokenizer, '--', '--help'])).toBe(0);
    expect(stdout).toMatch(/^\d/);
    stdout = '';
    await refuses(['tokenizer', 'decode', '--tokenizer', gpt2Tokenizer, 'x'], /"x" is no id/);
    await refuses(['tokenizer', 'encode', '--tokenizer', gpt2Tokenizer], /either --input FILE or a text/);
    await refuses(
      ['tokenizer', 'encode', '--tokenizer', join(folder, 'none'), 'x'],
      /no such file or folder: .*none; check/,
    );
  });
});

describe('usage', () => {
  test.each<[string[], RegExp]>([
    [['trian'], /unknown command "trian"\. Did you mean `train`\? There are demo/],
    [['forward', '--modle', 'x'], /unknown option --modle; did you mean --model\?/],
    [['forward'], /--model is required/],
    [['forward', '--model', 'a', '--model', 'b'], /--model is given twice/],
    [['forward', '--model', '--input', 'x'], /--model needs a value/],
    [['forward', 'x'], /unexpected argument "x"/],
    [['generate', '--model', xverse, '--json=1', '--prompt', 'a'], /--json takes no value, got "1"/],
    [['generate', '--model', xverse, '--max-new-tokens', '1.5', '--prompt', 'a'], /is "1\.5"; give a whole/],
    [['generate', '--model', xverse, '--max-new-tokens', '0', '--prompt', 'a'], /is 0; give 1 or more/],
    [
      ['generate', '--model', xverse, '--dtype', 'int8', '--prompt', 'a'],
      /--dtype is "int8"; give one of float32/,
    ],
    [['generate', '--model', xverse], /either --prompt TEXT or --input/],
    [['generate', '--model', xverse, '--prompt', ''], /--prompt is empty/],
    [['generate', '--model', xverse, '--prompt', 'a', '--chat'], /--chat goes with questions; ask one with/],
    [['generate', '--model', xverse, '--prompt', 'a', '--kv-dtype', 'int8'], /--kv-dtype goes with/],
    [['generate', '--model', xverse, '--input', '[a]', '--system', 's'], /--system needs --chat/],
    [
      ['generate', '--model', xverse, '--input', 'q.jsonl', '--output', './q.jsonl'],
      /is the file of the questions/,
    ],
    [['generate', '--model', xverse, '--input', '[a]', '--output', tmpdir()], /is a folder; name a file/],
    [
      ['forward', ...forward(xverse).slice(1), '--positions', 'first:3'],
      /--positions is "first:3"; give last:K/,
    ],
    [['forward', ...forward(xverse).slice(1), '--device', 'tpu'], /tpu/],
    [['chat', '--model', xverse, '--json'], /--json needs --message/],
    [['tokenizer', 'encoed'], /"encoed" is no subcommand/],
  ])('%j', async (argv, message) => {
    await refuses(argv, message);
  });

  test.each(['data', 'tokenizer'])('%s alone lists its subcommands', async (command) => {
    expect(await main([command])).toBe(2);
    expect(stdout).toMatch(/--help[\s\S]*merge/);
    expect(stderr).toBe('');
  });

  test('help is on stdout, with exit code 0', async () => {
    for (const argv of [['--help'], ['forward', '--help'], ['tokenizer', '-h']]) {
      expect(await main(argv)).toBe(0);
      expect(stdout).toContain('xinghe');
      expect(stderr).toBe('');
    }
  });
});

describe('models', () => {
  test.each<[string, () => string, RegExp]>([
    ['no such path', () => join(folder, 'nowhere'), /nowhere: no such model folder/],
    ['a path through a file', () => join(ids, 'model'), /ids\.json.*no such model folder/],
    [
      'no weights',
      () => {
        const target = changedModel('bare', () => {});
        rmSync(join(target, 'model.safetensors'));
        return target;
      },
      /bare.*safetensors/,
    ],
    [
      'truncated weights',
      () => {
        const target = changedModel('truncated', () => {});
        const path = join(target, 'model.safetensors');
        writeFileSync(path, readFileSync(path).subarray(0, -100));
        return target;
      },
      /truncated\/model\.safetensors/,
    ],
    [
      'a wrong shape',
      () => changedModel('shape', (tensors) => get(tensors, UP).shape.reverse()),
      /model\.layers\.1\.mlp\.up_proj\.weight" has shape \[64, 172\], the config asks for \[172, 64\]/,
    ],
    [
      'an integer dtype',
      () => changedModel('integers', (tensors) => Object.assign(get(tensors, UP), { dtype: 'int32' })),
      /up_proj\.weight" has dtype int32; weights must be float32/,
    ],
    [
      'a missing tensor',
      () => changedModel('missing', (tensors) => tensors.delete(UP)),
      /missing: model\.layers\.1\.mlp\.up/,
    ],
    [
      'a surplus tensor',
      () =>
        changedModel('surplus', (tensors) => {
          tensors.set('model.extra', { ...get(tensors, UP), name: 'model.extra' });
        }),
      /not part of this model: model\.extra/,
    ],
    [
      'a NaN',
      () =>
        changedModel('nan', (tensors) => {
          new DataView(get(tensors, UP).bytes.buffer).setFloat32(40, Number.NaN, true);
        }),
      /tensor "model\.layers\.1\.mlp\.up_proj\.weight" holds NaN or infinity/,
    ],
    [
      'a value out of range',
      () => changedModel('range', () => {}, { num_attention_heads: 0 }),
      /config\.json: num_attention_heads: expected more than 0, got 0/,
    ],
    [
      'an unknown key',
      () => changedModel('key', () => {}, { hiden_size: 64 }),
      /config\.json: hiden_size: unknown key\. Did you mean `hidden_size`\?/,
    ],
    [
      'an unknown family',
      () => changedModel('family', () => {}, { model_type: 'gpt5' }),
      /config\.json: no model family recognises this config; known: spark, telechat/,
    ],
    [
      'a broken config',
      () => {
        const target = changedModel('broken', () => {});
        writeFileSync(join(target, 'config.json'), '{"model_type": "xverse",}');
        return target;
      },
      /config\.json:1:\d+: not valid JSON/,
    ],
    [
      'no config',
      () => {
        const target = changedModel('unconfigured', () => {});
        rmSync(join(target, 'config.json'));
        return target;
      },
      /unconfigured: no config found .*--config/,
    ],
  ])('%s', async (_, make, message) => {
    const model = make();
    await refuses(forward(model), message);
  });

  test('a NaN is named by generate too', async () => {
    const model = join(folder, 'nan');
    await refuses(['generate', '--model', model, '--input', ids], /up_proj\.weight" holds NaN/);
  });

  test('a tokenizer larger than the vocabulary', async () => {
    const argv = ['--model', xverse, '--tokenizer', gpt2Tokenizer];
    await refuses(['generate', ...argv, '--prompt', 'a'], /bbpe_gpt2: the tokenizer has 1000 ids.*only 320/);
    stderr = '';
    await refuses(['chat', ...argv, '--message', 'a'], /bbpe_gpt2: the tokenizer has 1000 ids/);
  });

  test('a model without a tokenizer', async () => {
    await refuses(['generate', '--model', xverse, '--prompt', 'a'], /holds no tokenizer\.json/);
  });

  test('a prompt beyond the context', async () => {
    writeFileSync(ids, JSON.stringify({ input_ids: [new Array<number>(9000).fill(5)] }));
    await refuses(
      ['generate', '--model', xverse, '--input', ids],
      /9000 prompt tokens and 1 new ones are more than the \d+ that fit/,
    );
  });

  test('an output in a folder that cannot be there, and in one that is made', async () => {
    const nowhere = join(folder, 'nowhere');
    writeFileSync(nowhere, 'a file');
    const argv = forward(xverse).with(-1, join(nowhere, 'out.safetensors'));
    await refuses(argv, /a part of the path is a file/);
    rmSync(nowhere);
    stderr = '';
    expect(await main(argv), stderr).toBe(0);
    expect(readdirSync(nowhere)).toEqual(['out.safetensors']);
    rmSync(nowhere, { recursive: true });
  });

  test('gradients of padding, and of nothing', async () => {
    writeFileSync(ids, JSON.stringify({ input_ids: [[5, 6]], attention_mask: [[0, 1]] }));
    await refuses([...forward(xverse), '--gradients'], /--gradients takes no padding/);
    stderr = '';
    writeFileSync(ids, JSON.stringify({ input_ids: [[5, 6]], loss_mask: [[1, 0]] }));
    await refuses([...forward(xverse), '--gradients'], /loss_mask leaves no token to learn/);
  });
});

test('forward with an adapter writes the gradients of its matrices', async () => {
  const argv = [...forward(xverse), '--gradients', '--adapter', `${xverse}/peft_adapter`, '--json'];
  expect(await main(argv), stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ output, logits: [1, 3, 320] });
  const { tensors } = openSafetensorsModel(output);
  expect(tensors.get('grad.model.layers.0.self_attn.q_proj.lora_A.weight')?.shape).toEqual([4, 64]);
  expect(tensors.get('grad.model.layers.0.self_attn.q_proj.weight')?.shape).toEqual([64, 64]);
  rmSync(output);
});

test('generate reads the tokenizer inside a GGUF of ours', async () => {
  const model = withTokenizer('xverse', join(folder, 'with-tokenizer'));
  const gguf = join(folder, 'alone', 'x.gguf');
  expect(await main(['convert', '--from', model, '--to', gguf]), stderr).toBe(0);
  const outputs: string[] = [];
  for (const path of [model, gguf]) {
    stdout = '';
    const asked = ['--prompt', 'ab 7', '--max-new-tokens', '3', '--json'];
    expect(await main(['generate', '--model', path, ...asked]), stderr).toBe(0);
    outputs.push(stdout);
  }
  expect(outputs[1]).toBe(outputs[0]);
  for (const path of ['with-tokenizer', 'alone']) rmSync(join(folder, path), { recursive: true });
});

test('generate answers with one JSON document, and stops at the context by itself', async () => {
  expect(await main(['generate', '--model', xverse, '--input', ids, '--max-new-tokens', '3', '--json'])).toBe(
    0,
  );
  const { choices } = JSON.parse(stdout);
  expect(choices[0].ids).toHaveLength(3);
  expect(choices[0].finish_reason).toBe('length');
});

test.each<[string[], string]>([
  [['--top-p', '0.5', '--seed', '1'], 'no effect without a --temperature above 0: --top-p, --seed'],
  [['--beams', '2', '--temperature', '1'], 'no effect with --beams: --temperature'],
  [['--temperature', '1', '--seed', '1', '--top-p', '0.5'], ''],
])('what has no effect on sampling is told: %j', async (given, warning) => {
  const asked = ['--model', xverse, '--input', ids, '--max-new-tokens', '1', '--json'];
  expect(await main(['generate', ...asked, ...given])).toBe(0);
  expect(stderr.trim()).toBe(warning === '' ? '' : `warning: ${warning}`);
});

describe('train', () => {
  const data = join(folder, 'texts.jsonl');
  const run = join(folder, 'run', 'one');
  const base = {
    output: run,
    model: {
      tokenizer: gpt2Tokenizer,
      config: {
        model_type: 'xverse',
        vocab_size: 1000,
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 1,
        num_attention_heads: 2,
      },
    },
    data: { files: [data], form: 'text', sequence_length: 16 },
    training: { steps: 2, micro_batch_size: 2 },
  };

  function train(config: unknown, ...more: string[]): string[] {
    const path = join(folder, 'train.yaml');
    writeFileSync(path, typeof config === 'string' ? config : stringify(config));
    return ['train', '--config', path, ...more];
  }

  beforeEach(() => writeFileSync(data, `${JSON.stringify({ text: 'To be, or not to be. '.repeat(20) })}\n`));

  test.each<[string, () => string[], RegExp]>([
    ['no file', () => ['train', '--config', join(folder, 'nowhere.yaml')], /nowhere\.yaml does not exist/],
    ['malformed YAML', () => train('output: [a\nmodel: }'), /train\.yaml:\d+:\d+/],
    [
      'an unknown key',
      () => train({ ...base, sede: 3 }),
      /train\.yaml: sede: unknown key\. Did you mean `seed`\?/,
    ],
    [
      'an unknown key within',
      () => train(base, '--set', 'training.learning_rat=3'),
      /training\.learning_rat: unknown key\. Did you mean `learning_rate`\?/,
    ],
    [
      'steps and epochs',
      () => train(base, '--set', 'training.epochs=1'),
      /training: give either steps or epochs/,
    ],
    ['neither', () => train({ ...base, training: {} }), /training: give either steps or epochs/],
    [
      'a path and a config',
      () => train(base, '--set', `model.path=${xverse}`),
      /model: give either path .* or config/,
    ],
    [
      'a negative rate',
      () => train(base, '--set', 'training.learning_rate=-1'),
      /learning_rate: expected more than 0, got -1/,
    ],
    ['a bad override', () => train(base, '--set', 'training'), /--set training: expected key=value/],
    [
      'no tokenizer',
      () => train({ ...base, model: { config: base.model.config } }),
      /model\.tokenizer is missing/,
    ],
    ['no such tokenizer', () => train(base, '--set', `model.tokenizer=${folder}/no`), /no does not exist/],
    [
      'a tokenizer too large',
      () => train(base, '--set', 'model.config.vocab_size=900'),
      /bbpe_gpt2: the tokenizer has 1000 ids, the model's vocabulary only 900/,
    ],
    [
      'no data',
      () => train(base, '--set', `data.files=[${folder}/none.jsonl]`),
      /none\.jsonl does not exist/,
    ],
    [
      'empty data',
      () => {
        writeFileSync(data, '\n');
        return train(base);
      },
      /texts\.jsonl: no row to train on/,
    ],
    [
      'a broken line',
      () => {
        writeFileSync(data, '{"text": "a"}\n{"text": \n');
        return train(base);
      },
      /texts\.jsonl:2:\d+: not valid JSON/,
    ],
    [
      'another form of record',
      () => train(base, '--set', 'data.form=messages'),
      /texts\.jsonl:1: missing `messages`; keys found: text/,
    ],
    [
      'a target module that is not there',
      () => train(base, '--set', 'lora.target_modules=[c_attn]'),
      /"c_attn".*no linear layer.* in its name; there are q_proj, k_proj/,
    ],
    ['an output that is a file', () => train(base, '--set', `output=${ids}`), /ids\.json: output is a file/],
    [
      'an output inside a file',
      () => train(base, '--set', `output=${ids}/run`),
      /ids\.json\/run: the output folder cannot be made/,
    ],
    [
      'a rate that explodes',
      () => train(base, '--set', 'model.config.initializer_range=1e30', `output=${join(folder, 'exploded')}`),
      /not finite; lower the learning rate/,
    ],
  ])('%s', async (_, make, message) => {
    const argv = make();
    const code = await main(argv);
    expect(stderr).toMatch(message);
    expect(code, stderr).toBe(2);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe('');
    expect(existsSync(join(folder, 'run'))).toBe(false);
  });

  test('a run, its files, and the second one that is refused', async () => {
    expect(await main(train(base, '--json')), stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ output: run, steps: 2 });
    expect(readdirSync(run).sort()).toEqual([
      'checkpoints',
      'config.yaml',
      'final',
      'loss.svg',
      'metrics.jsonl',
      'run.log',
      'starts.jsonl',
    ]);
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).step)).toEqual([1, 2]);
    stdout = '';
    stderr = '';
    expect(await main(train(base))).toBe(2);
    expect(stderr).toMatch(/run\/one: holds a run already \(metrics\.jsonl\)/);
    const chat = [
      'chat',
      '--model',
      join(run, 'final'),
      '--message',
      'hello',
      '--max-new-tokens',
      '4',
      '--json',
    ];
    stderr = '';
    await main(chat);
    expect(stderr).toMatch(/xverse chat|^$/);
  });

  test('LoRA saves adapters as checkpoints, and the merged model at the end', async () => {
    const target = join(folder, 'lora');
    const lora = { rank: 2, alpha: 4, dropout: 0.1, target_modules: ['q_proj'] };
    const config = {
      ...base,
      output: target,
      lora,
      training: { ...base.training, steps: 3 },
      checkpoints: { every: 2 },
    };
    expect(await main(train(config)), stderr).toBe(0);
    expect(readdirSync(target).sort()).toEqual([
      'adapter',
      'checkpoints',
      'config.yaml',
      'final',
      'loss.svg',
      'metrics.jsonl',
      'run.log',
      'starts.jsonl',
    ]);
    for (const path of ['adapter', 'checkpoints/step-2'])
      expect(readdirSync(join(target, path)).sort()).toEqual([
        'adapter_config.json',
        'adapter_model.safetensors',
        ...(path === 'adapter' ? [] : ['optimizer.safetensors', 'training-state.json']),
      ]);
    expect(openSafetensorsModel(join(target, 'final')).tensors.size).toBe(12);
  });

  test('a folder without permission', async (context) => {
    if (process.getuid?.() === 0) context.skip('root may write everywhere');
    const closed = join(folder, 'closed');
    mkdirSync(closed, { mode: 0o500 });
    await refuses(
      train(base, '--set', `output=${closed}/run`),
      /closed\/run: the output folder cannot be made/,
    );
    chmodSync(closed, 0o700);
  });
});

test('tokenizer decode names the line of a foreign id', async () => {
  const lines = join(folder, 'ids.jsonl');
  writeFileSync(lines, '{"ids": [1]}\n{"ids": [5000]}\n');
  const argv = [
    'tokenizer',
    'decode',
    '--tokenizer',
    gpt2Tokenizer,
    '--input',
    lines,
    '--output',
    join(folder, 'o'),
  ];
  await refuses(argv, /ids\.jsonl:2: Token id 5000 is outside/);
});
