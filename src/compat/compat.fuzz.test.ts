/** Damaged configurations of other suites end in an InputError, or in a run; nothing else comes out. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { publishedRun } from '../../tests/support/published/published-run.js';
import { sharedData } from '../../tests/support/shared-data.js';
import { readConfigFile } from '../config/index.js';
import { InputError, messageOf } from '../errors/index.js';
import { loadDeepspeedConfig, loadPublishedRun, readScript } from './index.js';
import { isMapping } from './key-tree.js';

const runs = process.env.XINGHE_TEST_LONG === '1' ? 10_000 : 1000;

function refusesByInputError(action: () => unknown): void {
  try {
    JSON.stringify(action());
  } catch (error) {
    expect(error, messageOf(error)).toBeInstanceOf(InputError);
    expect(messageOf(error).length).toBeGreaterThan(10);
  }
}

/** A value in the place of another: of every kind, and near the borders of numbers. */
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    null,
    '',
    -1,
    0,
    Number.POSITIVE_INFINITY,
    Number.NaN,
    2 ** 53,
    0.5,
    true,
    'None',
    '\0',
    '__proto__',
    [],
  ),
  fc.string({ maxLength: 12 }),
);

const key = fc.oneof(
  fc.constantFrom('type', 'seed', '__proto__', 'constructor', 'xinghe', 'learning_rate', 'total_steps'),
  fc.string({ minLength: 1, maxLength: 8 }),
);

/** Walks down by the numbers in `way`, and there replaces, removes, renames or adds. */
function mutate(
  value: unknown,
  way: readonly number[],
  change: number,
  name: string,
  other: unknown,
): unknown {
  const entries = isMapping(value) ? Object.entries(value) : Array.isArray(value) ? [...value.entries()] : [];
  const [step, ...rest] = way;
  const chosen = step === undefined ? undefined : entries[step % Math.max(1, entries.length)];
  if (chosen === undefined) return other;
  const [at, inside] = chosen;
  if (Array.isArray(value))
    return value.map((item: unknown, index) =>
      index === at ? mutate(item, rest, change, name, other) : item,
    );
  const isEnd = rest.length === 0;
  return Object.fromEntries(
    entries.flatMap(([entry, item]): [string, unknown][] => {
      if (entry !== at) return [[String(entry), item]];
      if (!isEnd) return [[String(entry), mutate(inside, rest, change, name, other)]];
      switch (change % 4) {
        case 0:
          return [[String(entry), other]];
        case 1:
          return [];
        case 2:
          return [[name, item]];
        default:
          return [
            [String(entry), item],
            [name, other],
          ];
      }
    }),
  );
}

const mutation = fc.record({
  way: fc.array(fc.nat(40), { minLength: 1, maxLength: 5 }),
  change: fc.nat(3),
  name: key,
  other: anything,
});

const folder = sharedData('recipes');
const published = [
  publishedRun(),
  ...(folder === undefined
    ? []
    : [
        'spark/run_iflytekspark_13b_lora_800_32G.yaml',
        'telechat-mindformers/finetune_telechat_52b.yaml',
        'telechat-mindformers/predict_telechat_7b.yaml',
      ].map((name) => readConfigFile(`${folder}/${name}`))),
];

describe('fuzz', () => {
  test('published run files', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...published),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        (value, changes) =>
          refusesByInputError(() =>
            loadPublishedRun(
              changes.reduce<unknown>(
                (before, { way, change, name, other }) => mutate(before, way, change, name, other),
                value,
              ),
            ),
          ),
      ),
      { numRuns: runs },
    );
  });

  test('overrides of published run files', () => {
    const path = fc.array(
      fc.constantFrom('optimizer', 'beta1', 'xinghe', 'training', 'callbacks', '0', 'model'),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(path, fc.string({ maxLength: 10 }), (keys, text) =>
        refusesByInputError(() => loadPublishedRun(publishedRun(), [`${keys.join('.')}=${text}`])),
      ),
      { numRuns: runs },
    );
  });

  test('DeepSpeed files', () => {
    const whole = {
      train_batch_size: 32,
      train_micro_batch_size_per_gpu: 'auto',
      gradient_accumulation_steps: 4,
      gradient_clipping: 1,
      fp16: { enabled: 'auto', loss_scale: 0, initial_scale_power: 12 },
      bf16: { enabled: 'auto' },
      optimizer: { type: 'AdamW', params: { lr: 'auto', betas: [0.9, 0.95], eps: 1e-8 } },
      scheduler: { type: 'WarmupDecayLR', params: { warmup_num_steps: 'auto', total_num_steps: 100 } },
      zero_optimization: { stage: 3, offload_optimizer: { device: 'cpu' }, overlap_comm: true },
    };
    fc.assert(
      fc.property(mutation, ({ way, change, name, other }) =>
        refusesByInputError(() => loadDeepspeedConfig(mutate(whole, way, change, name, other))),
      ),
      { numRuns: runs },
    );
  });

  test('launch scripts', () => {
    const script = readFileSync('tests/support/published/telechat-lora.sh', 'utf8');
    const piece = fc.constantFrom(
      '"',
      "'",
      '\\',
      '\n',
      '|',
      '&',
      ';',
      '$X',
      '${',
      'if ',
      'fi\n',
      '--',
      ' -1 ',
      '#',
      '=',
      '\0',
      '\r\n',
    );
    fc.assert(
      fc.property(fc.nat(script.length), fc.nat(30), fc.array(piece, { maxLength: 4 }), (at, cut, parts) =>
        refusesByInputError(() =>
          readScript(script.slice(0, at) + parts.join('') + script.slice(at + cut), 'fuzz.sh'),
        ),
      ),
      { numRuns: runs },
    );
  });
});
