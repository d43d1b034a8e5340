/** The `parallel` section of a training configuration. */
import { z } from 'zod';

const one = (what: string) =>
  z.literal(1, { error: `${what} is not there yet: leave it out, or 1` }).default(1);

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
    pipeline: one('pipeline parallelism'),
    context: one('context parallelism'),
  })
  .refine(({ tensor, sequence }) => tensor > 1 || !sequence, {
    message:
      'sequence goes with tensor: the ranks that share the matrices share the tokens; give tensor, or leave it out',
    path: ['sequence'],
  });

export type ParallelConfig = z.output<typeof parallelSchema>;
