/** The manifest of a run's checkpoint. */
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { readJsonFile } from '../../formats/index.js';

export const manifestSchema = z.object({
  format: z.literal('xinghe-training-state'),
  version: z.literal(1),
  /** Optimiser steps done. */
  step: z.int().nonnegative(),
  totalSteps: z.int().positive(),
  /** Tokens read since the start of the run. */
  tokens: z.int().nonnegative(),
  /** Rows taken over all epochs: the position in the order of the data. */
  rows: z.int().nonnegative(),
  data: z.object({
    rows: z.int().positive(),
    seed: z.int().nonnegative(),
    shuffle: z.boolean(),
    rowsPerStep: z.int().positive(),
  }),
  optimizerSteps: z.int().nonnegative(),
  lossScale: z.object({ scale: z.number(), goodSteps: z.int() }).nullable(),
  /** State of the generator of dropout, base64. */
  generator: z.string(),
  /** A loss of null is none: written by early versions after an evaluation that was not finite. */
  best: z.object({ step: z.int(), loss: z.number().nullable() }).nullable(),
  evaluatedStep: z.int().nullable(),
  /** Not written by early versions. */
  tasksStep: z.int().nullable().default(null),
  /** What the numbers depend on. */
  engine: z.object({
    xinghe: z.string(),
    libtorch: z.string(),
    threads: z.int().positive(),
    linearRoute: z.object({ forward: z.boolean(), gradInput: z.boolean(), gradWeight: z.boolean() }),
    device: z.string(),
  }),
  /** The whole configuration of the run. */
  config: z.unknown(),
  /** SHA-256 of the files. */
  files: z.record(z.string(), z.string()),
});

export type RunCheckpointManifest = z.output<typeof manifestSchema>;

/** @throws InputError if the file is missing, or is another one */
export function readManifest(path: string): RunCheckpointManifest {
  return parseConfig(manifestSchema, readJsonFile(path), { source: path });
}
