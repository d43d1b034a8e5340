/** An evaluation as its folder tells it: results.json and samples.jsonl. */
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../errors/index.js';
import { fileStatus, readJsonFile, readJsonLines } from '../../formats/index.js';

export const RESULTS_FILE = 'results.json';
export const SAMPLES_FILE = 'samples.jsonl';

/** What was not finite is null in JSON. */
const measured = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const logLikelihood = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NEGATIVE_INFINITY);

const groupSchema = z.object({
  score: measured,
  n: z.number(),
  points: z.number().optional(),
  max_points: z.number().optional(),
});

const entrySchema = z.object({
  task: z.string(),
  metric: z.string(),
  score: z.number().nullable(),
  n: z.number(),
  missing: z.number(),
  confidence_interval: z.tuple([measured, measured]).nullable(),
  points: z.number().optional(),
  max_points: z.number().optional(),
  average: z.string().optional(),
  groups: z.record(z.string(), groupSchema),
});

const problemSchema = z.object({
  reason: z.string(),
  count: z.number(),
  examples: z.array(z.object({ id: z.string(), message: z.string() })),
});

const taskSchema = z.object({
  task: z.string(),
  version: z.number(),
  shots: z.number(),
  cot: z.boolean(),
  mode: z.string(),
  form: z.string().nullable(),
  data: z.object({ files: z.number(), sha256: z.string() }),
  chance: z.number().nullable().optional(),
  notes: z.array(z.string()),
  problems: z.array(problemSchema),
  dropped_shots: z.number(),
  failures: z.array(problemSchema),
  judge: z
    .object({ unusable: z.array(problemSchema), failed: z.array(problemSchema) })
    .nullable()
    .optional(),
});

const resultSchema = z.object({
  xinghe: z.string(),
  command: z.array(z.string()),
  fingerprint: z.string(),
  limit: z.number().nullable().optional(),
  split: z.string().nullable().optional(),
  max_new_tokens: z.number().nullable().optional(),
  model: z
    .object({ path: z.string(), dtype: z.string().nullable().optional() })
    .catchall(z.unknown())
    .nullable(),
  predictions: z.object({ path: z.string(), sha256: z.string() }).nullable(),
  tasks: z.array(taskSchema),
  results: z.array(entrySchema),
  complete: z.boolean(),
  time: z.object({ started: z.string(), seconds: z.number(), samples_per_second: measured }),
});

const text = z.union([z.string(), z.array(z.string())]).nullable();

const sampleSchema = z.object({
  task: z.string(),
  id: z.string(),
  groups: z.array(z.string()).default([]),
  prompt: z.string().nullable(),
  output: text,
  extracted: text,
  target: text,
  correct: z
    .union([z.boolean(), z.array(z.boolean())])
    .nullable()
    .optional(),
  points: z.number().optional(),
  max_points: z.number().optional(),
  options: z.array(z.string()).optional(),
  loglikelihoods: z.union([z.array(logLikelihood), z.array(z.array(logLikelihood))]).optional(),
  scores: z.record(z.string(), measured).optional(),
  missing: z.string().optional(),
});

export type RecordedResult = z.infer<typeof resultSchema>;
export type RecordedTask = z.infer<typeof taskSchema>;
export type RecordedEntry = z.infer<typeof entrySchema>;
export type RecordedSample = z.infer<typeof sampleSchema>;

export interface RecordedRun {
  readonly folder: string;
  /** The folder's own name. */
  readonly label: string;
  readonly result: RecordedResult;
  /** By task, in the order of the file. */
  readonly samples: ReadonlyMap<string, readonly RecordedSample[]>;
}

/** @throws InputError for a folder without results, or with files that are not those of an evaluation */
export function readRun(folder: string): RecordedRun {
  const status = fileStatus(folder);
  if (status === undefined) throw new InputError(`${folder}: there is no such folder.`);
  const path = join(folder, RESULTS_FILE);
  const samplesPath = join(folder, SAMPLES_FILE);
  if (!status.isDirectory() || fileStatus(path) === undefined)
    throw new InputError(
      `${folder} holds no ${RESULTS_FILE}; name the --output folder of an xinghe evaluate that has ended.`,
    );
  const result = checked(resultSchema, readJsonFile(path), path);
  if (fileStatus(samplesPath) === undefined)
    throw new InputError(
      `${folder} holds no ${SAMPLES_FILE}; the evaluation writes it beside ${RESULTS_FILE}.`,
    );
  const samples = new Map<string, RecordedSample[]>(result.tasks.map(({ task }) => [task, []]));
  for (const { line, value } of readJsonLines(samplesPath)) {
    const sample = checked(sampleSchema, value, `${samplesPath}:${line}`);
    const own = samples.get(sample.task);
    if (own === undefined)
      throw new InputError(
        `${samplesPath}:${line}: a sample of ${sample.task}, of which ${path} knows nothing; the two files belong to different evaluations.`,
      );
    own.push(sample);
  }
  return { folder, label: basename(resolve(folder)), result, samples };
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, source: string): z.output<Schema> {
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw new InputError(
    `${source}: not as xinghe evaluate writes it: ${issue?.path.join('.') || 'the value'}: ${issue?.message ?? ''}.`,
  );
}
