/** Every set in other wrappings of its files: the same samples; damaged ones are refused or counted, never scored. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { evaluationSets, writeSets } from '../../../tests/support/evaluation-sets.js';
import { InputError } from '../../errors/index.js';
import { TASKS } from '../registry.js';
import { type LoadedTask, loadSamples } from '../run/load-samples.js';
import type { Task } from '../task.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-forms-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

type Files = Readonly<Record<string, string | Buffer>>;

function load(task: Task, files: Files): Promise<LoadedTask> {
  const data = writeSets(join(root, String(count++)), files);
  const plan = {
    task,
    shots: 0,
    isShotsWanted: false,
    isCot: false,
    mode: task.defaultMode,
    form: 'plain' as const,
    isSingleChoiceOnly: false,
  };
  return loadSamples(plan, { tasks: [plan], data, output: '', overwrite: false, command: [] }, undefined);
}

/** The files of a set, changed where they are text. */
function filesOf(
  { folder }: Task,
  change: (path: string, text: string) => readonly [string, string | Buffer],
): Files {
  const own = Object.entries(evaluationSets()).filter(([path]) => path.startsWith(`${folder}/`));
  return Object.fromEntries(
    own.map(([path, content]) => (typeof content === 'string' ? change(path, content) : [path, content])),
  );
}

const whole = ({ samples }: LoadedTask) =>
  samples.map(({ id, target, groups, prompt, choices }) => ({ id, target, groups, prompt, choices }));
const isPrompts = (path: string): boolean => path.endsWith('Obj_Prompt.json');

// Dialogues come with the product, and people's own by another option.
const sets = TASKS.filter(({ root: own }) => own === undefined);

describe.each(sets.map((task) => [task.name, task] as const))('%s', (_name, task) => {
  test('with a mark of byte order, with lines of Windows, packed', async () => {
    const plain = await load(
      task,
      filesOf(task, (path, text) => [path, text]),
    );
    expect(plain.samples.length).toBeGreaterThan(0);
    const marked = await load(
      task,
      filesOf(task, (path, text) => [path, `\ufeff${text.replace(/^\ufeff/, '')}`]),
    );
    expect(whole(marked)).toEqual(whole(plain));
    const windows = await load(
      task,
      filesOf(task, (path, text) => [path, text.replaceAll('\n', '\r\n')]),
    );
    expect(whole(windows)).toEqual(whole(plain));
    // MATH's and GAOKAO's trees of single JSON files are not published packed.
    if (task.name === 'math' || task.name.startsWith('gaokao')) return;
    const packed = await load(
      task,
      filesOf(task, (path, text) => [`${path}.gz`, gzipSync(text)]),
    );
    expect(whole(packed)).toEqual(whole(plain));
  });

  test('cut off within a packed file: refused by name', async () => {
    const cut = filesOf(task, (path, text) =>
      isPrompts(path) ? [path, text] : [`${path}.gz`, gzipSync(text).subarray(0, -9)],
    );
    if (Object.values(cut).every((content) => typeof content === 'string')) return;
    const damaged = Object.fromEntries(
      Object.entries(cut).map(([path, content]) => [
        path,
        path === 'humaneval/HumanEval.jsonl.gz' && Buffer.isBuffer(content)
          ? content.subarray(0, -9)
          : content,
      ]),
    );
    await expect(load(task, damaged)).rejects.toThrow(InputError);
  });

  test('in another encoding: refused or counted, and nothing of it is measured', async () => {
    // 中 and 国 in GBK, which are no UTF-8.
    const files = filesOf(task, (path, text) => [path, text.replace(/^\ufeff/, '')]);
    const broken = Object.fromEntries(
      Object.entries(files).map(([path, content]) => {
        if (isPrompts(path) || path.endsWith('.gz')) return [path, content];
        const bytes = Buffer.from(content);
        // Within the last row, where its texts are.
        const at = bytes.subarray(0, bytes.length - 1).lastIndexOf(path.endsWith('.csv') ? ',' : '"') - 1;
        return [
          path,
          Buffer.concat([bytes.subarray(0, at), Buffer.from([0xd6, 0xd0, 0xb9, 0xfa]), bytes.subarray(at)]),
        ];
      }),
    );
    if (task.name === 'humaneval') return;
    const plain = await load(
      task,
      filesOf(task, (path, text) => [path, text]),
    );
    try {
      const loaded = await load(task, broken);
      expect(loaded.problems.total).toBeGreaterThan(0);
      expect(loaded.samples.length).toBeLessThan(plain.samples.length);
      for (const sample of whole(loaded)) expect(JSON.stringify(sample)).not.toContain('\ufffd');
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
    }
  });
});
