/** `xinghe train` with a published run file and with a launch script, from the command line to the final model. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { goldenFolder } from './support/golden.js';
import { publishedRun } from './support/published/published-run.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-published-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function xinghe(...args: string[]): Promise<{ code: number; stderr: string }> {
  let stderr = '';
  const errors = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  const results = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    return { code: await main(args), stderr };
  } finally {
    errors.mockRestore();
    results.mockRestore();
  }
}

const config = join(folder, 'run.yaml');
// JSON is YAML.
writeFileSync(config, JSON.stringify(publishedRun()));

test('a published file says what it leaves to its user, all at once', async () => {
  const { code, stderr } = await xinghe('train', '--config', config);
  expect(code).toBe(2);
  for (const key of ['train_dataset.data_loader.dataset_dir', 'load_checkpoint', 'tokenizer_file'])
    expect(stderr).toContain(`--set ${key}=PATH`);
});

test('and then trains: LoRA on MindRecord rows, notes once on stderr', async () => {
  const output = join(folder, 'out');
  const { code, stderr } = await xinghe(
    ...['train', '--config', config, '--set', `output_dir=${output}`, 'run_mode=train'],
    `tokenizer_file=${goldenFolder}tokenizers/spark_like`,
    `train_dataset=${goldenFolder}mindrecord/sft.mindrecord`,
    'model.model_config.vocab_size=900',
    'xinghe.training.steps=2',
  );
  expect(stderr).toContain(
    'parallel_config asks for 8 devices (2 x data, 4 x model, 1 x pipeline parallel); this run uses one',
  );
  expect(stderr.match(/context\.mode/g)).toHaveLength(1);
  expect(code, stderr).toBe(0);
  const metrics = readFileSync(join(output, 'metrics.jsonl'), 'utf8').trim().split('\n');
  expect(metrics).toHaveLength(2);
  expect(existsSync(join(output, 'adapter'))).toBe(true);
  expect(existsSync(join(output, 'final'))).toBe(true);
});

test('a launch script trains too', async () => {
  const output = join(folder, 'script');
  const { code, stderr } = await xinghe(
    ...['train', '--config', 'tests/support/published/telechat-lora.sh', '--set', `output_dir=${output}`],
    ...[
      'xinghe.model.config=tests/golden/telechat-12b/config.json',
      'xinghe.model.tokenizer=recipes/debug/bytes',
    ],
    ...['xinghe.data.files=[recipes/debug/dialogues.jsonl]', 'xinghe.data.form=messages'],
    ...['xinghe.data.sequence_length=64', 'xinghe.training.steps=2', 'precision=bf16', 'num_gpus=1'],
  );
  expect(code, stderr).toBe(0);
  expect(existsSync(join(output, 'adapter'))).toBe(true);
});
