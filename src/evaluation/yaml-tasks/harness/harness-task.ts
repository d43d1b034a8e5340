/** One task of lm-evaluation-harness from its YAML file: rows to prompts, answers to grades, as the harness does both. */

import { parseConfig } from '../../../config/index.js';
import { InputError } from '../../../errors/index.js';
import type { SetFile, SetReader } from '../../sets/set-reader.js';
import type { LoadedSet, LoadOptions, Task } from '../../task.js';
import type { RowRecord } from '../row-field.js';
import { type RecordRow, readTable } from '../table.js';
import { type DatasetFiles, datasetFiles } from './dataset-files.js';
import type { HarnessFile } from './harness-file.js';
import { type HarnessSampleMaker, harnessSampleMaker } from './harness-samples.js';
import { type HarnessConfig, harnessTaskSchema, refuseForeign } from './harness-schema.js';
import { ShotSampler, type ShotSource } from './harness-shots.js';
import { AGGREGATIONS } from './metrics.js';

/** The task's own part of the harness, beside what all tasks have. */
export interface HarnessTask extends Task {
  readonly metrics: readonly string[];
  readonly defaultShots: number;
}

/**
 * @param data root below which data sets are looked for
 * @throws InputError naming file, line and key, also for what needs Python
 */
export function harnessTask(source: HarnessFile, data: string | undefined): HarnessTask {
  refuseForeign(source, source.content);
  const config = checked(source);
  const maker = harnessSampleMaker(config, source);
  const files = datasetFiles(config, source, data);
  const isWritten = config.output_type === 'generate_until';
  const version = Number(config.metadata?.version ?? 1);
  return {
    name: config.task,
    title: config.task_alias ?? config.task,
    version: Number.isFinite(version) ? version : 1,
    root: source.folder,
    folder: '.',
    source: `${config.dataset_path}${config.dataset_name == null ? '' : `, ${config.dataset_name}`}`,
    paper: 'a task of lm-evaluation-harness',
    deviations: [
      'rows with a right answer that is none of the choices are left out and counted; the harness counts them as wrong',
    ],
    defaultShots: config.num_fewshot ?? 0,
    defaultMode: isWritten ? 'generate' : 'loglikelihood',
    ...(!isWritten && { modes: ['loglikelihood'] as const }),
    defaultForm: 'plain',
    takesCot: false,
    allowsSeveralOutputs: config.repeats > 1,
    metric: maker.metrics[0] ?? 'acc',
    metrics: maker.metrics,
    aggregations: AGGREGATIONS,
    load: (reader, options) => load(reader, options, { source, config, files, maker }),
  };
}

function checked(file: HarnessFile): HarnessConfig {
  const { task_list: _, ...keys } = file.content;
  return parseConfig(harnessTaskSchema, keys, { source: file.path, placeOf: (path) => file.lineOf(path) });
}

interface HarnessParts {
  readonly source: HarnessFile;
  readonly config: HarnessConfig;
  readonly files: DatasetFiles;
  readonly maker: HarnessSampleMaker;
}

async function load(reader: SetReader, options: LoadOptions, parts: HarnessParts): Promise<LoadedSet> {
  const { source, maker } = parts;
  for (const path of source.paths) reader.use(nameBelow(path), path);
  const { split, notes } = measuredSplit(options, parts);
  const tables = await rowsOf(reader, split, parts);
  const { shots } = options;
  const sampler =
    options.needsPrompts && shots > 0 ? new ShotSampler(await shotSource(reader, split, parts)) : undefined;
  const samples = tables.flatMap(({ file, rows }) =>
    reader.readEach(rows, file, ({ index, value }) => {
      const examples = sampler?.shotsFor(value, shots) ?? [];
      return maker.sample({ id: `${file.stem}/${index}`, file: file.stem, row: value, examples });
    }),
  );
  if (samples.length > 0) return { samples, notes };
  const [first] = reader.problems.list();
  throw new InputError(
    `${source.path}: no row of the split ${split} can be measured` +
      (first === undefined
        ? '; its files are empty.'
        : `: ${first.count} x ${first.reason}, the first: ${first.examples[0]?.message ?? ''}`),
  );
}

function nameBelow(path: string): string {
  return path.split(/[/\\]/).slice(-2).join('/');
}

/** The test split, else the validation split; what is on this machine decides where the file declares both. */
function measuredSplit(
  { split }: LoadOptions,
  { source, config, files }: HarnessParts,
): { split: string; notes: string[] } {
  if (split !== undefined) return { split, notes: [] };
  const { test_split: test, validation_split: validation } = config;
  const wanted = test ?? validation;
  if (wanted == null) throw source.fault(['test_split'], 'neither test_split nor validation_split is given.');
  if (files.has(wanted) || validation == null || !files.has(validation)) return { split: wanted, notes: [] };
  return {
    split: validation,
    notes: [`measured on the split ${validation}: there are no files of ${wanted} here`],
  };
}

interface FileRows {
  readonly file: SetFile;
  readonly rows: readonly RecordRow[];
}

async function rowsOf(reader: SetReader, split: string, { files }: HarnessParts): Promise<FileRows[]> {
  const tables: FileRows[] = [];
  for (const file of files.of(split)) tables.push({ file, rows: await readTable(reader, file, files.form) });
  return tables;
}

async function shotSource(reader: SetReader, measured: string, parts: HarnessParts): Promise<ShotSource> {
  const { config, source } = parts;
  const fewshot = config.fewshot_config ?? {};
  const sampler = fewshot.sampler ?? 'default';
  if (sampler !== 'default' && sampler !== 'first_n')
    throw source.fault(
      ['fewshot_config', 'sampler'],
      `there is no sampler "${sampler}"; there are default and first_n.`,
    );
  const named = fewshot.split ?? config.fewshot_split;
  const split = named ?? config.training_split ?? config.validation_split ?? measured;
  const listed: readonly RowRecord[] | null | undefined = named == null ? fewshot.samples : undefined;
  const all =
    listed ?? (await rowsOf(reader, split, parts)).flatMap(({ rows }) => rows.map(({ value }) => value));
  const rows =
    fewshot.fewshot_indices == null
      ? all
      : fewshot.fewshot_indices.flatMap((place) => all.slice(place, place + 1));
  return { rows, sampler, isMeasured: named != null && named === config.test_split };
}
