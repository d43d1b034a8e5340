/** Values that a DeepSpeed file may leave to the arguments with "auto". */
import { z } from 'zod';

export const auto = z.literal('auto');
export const positive = z.int().positive();
export const orAuto = <Schema extends z.ZodType>(schema: Schema) => z.union([auto, schema]).optional();

export function chosen<Value>(
  written: Value | 'auto' | undefined,
  argument: Value | undefined,
): Value | undefined {
  return written === 'auto' || written === undefined ? argument : written;
}
