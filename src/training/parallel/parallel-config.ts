/** The `parallel` section of a training configuration. */
import { z } from 'zod';

export const parallelSchema = z
  .strictObject({
    /** Ranks, or groups of `tensor` ranks, that each take a part of a step's rows. Default: all that were started. */
    data: z.int().positive().optional(),
    /** What each of them keeps only a part of: 1 the optimiser state, 2 gradients too, 3 parameters too. */
    zero: z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]).default(0),
    /** Ranks that share every large matrix and compute on the same rows. */
    tensor: z.int().positive().default(1),
    /** Let each of them have its own tokens where whole hidden states are kept. */
    sequence: z.boolean().default(false),
    /** Ranks that each have some blocks of the model, one after the other; micro-batches go from rank to rank. */
    pipeline: z.int().positive().default(1),
    /** 1f1b: each has one piece of the model; interleaved: several, so that nobody waits as long. */
    schedule: z.enum(['1f1b', 'interleaved']).default('1f1b'),
    /** Pieces of each of them, where they are interleaved. Default 2. */
    chunks: z.int().min(2).optional(),
    /** Ranks that each read a part of the tokens of every row. */
    context: z.int().positive().default(1),
  })
  .refine(({ pipeline, schedule }) => pipeline > 1 || schedule === '1f1b', {
    message:
      'interleaved goes with pipeline: the ranks that have the blocks take turns; give pipeline, or leave it out',
    path: ['schedule'],
  })
  .refine(({ schedule, chunks }) => schedule === 'interleaved' || chunks === undefined, {
    message: 'chunks goes with schedule: interleaved; leave it out, or give the schedule',
    path: ['chunks'],
  })
  .refine(({ tensor, sequence }) => tensor > 1 || !sequence, {
    message:
      'sequence goes with tensor: the ranks that share the matrices share the tokens; give tensor, or leave it out',
    path: ['sequence'],
  });

/** Pieces of the model that each rank of a pipeline has. */
export function chunksPerStage({ schedule, chunks = 2 }: ParallelConfig): number {
  return schedule === 'interleaved' ? chunks : 1;
}

export type ParallelConfig = z.output<typeof parallelSchema>;
