/**
 * The rotations of a model at every length as tables, since a graph cannot ask the model. Most models turn alike at all lengths; in
 * TeleChat the base grows in steps (a table for each) and the scale with every length (a list). A base that grows with
 * every length ends the graph where it begins to.
 *
 * Shapes: N positions, C bases, E head_dim.
 */
import type { CausalLm, RotaryParameters } from '../../models/index.js';
import { rotaryTable } from '../../nn/index.js';
import { cat, type FloatDType, floatTensor, intTensor, scope, type Tensor } from '../../tensor/index.js';

export interface RotationTables {
  /** N, and the longest text that the graph takes. */
  readonly positions: number;
  readonly cos: Tensor; // [C * N, E / 2], without the scale
  readonly sin: Tensor;
  /** Lengths from which on the second, third, … table counts. */
  readonly starts: Tensor | undefined; // int64 [C - 1]
  /** Factor on cos and sin of a text of that length; undefined: it is in the tables. */
  readonly scales: Tensor | undefined; // [N + 1]
  /** Why longer texts, which the model would take, are not. */
  readonly limit: string | undefined;
}

/** Steps of the base beyond which it counts as growing with every length. */
const MOST_STEPS = 16;

export function rotationTables(model: CausalLm, longest: number, dtype: FloatDType): RotationTables {
  const steps: { start: number; parameters: RotaryParameters }[] = [];
  const scales: number[] = [1];
  let positions = longest;
  for (let length = 1; length <= longest; length++) {
    const parameters = model.rotaryParameters(length);
    const last = steps.at(-1)?.parameters;
    if (
      last === undefined ||
      last.base !== parameters.base ||
      last.divisors?.join() !== parameters.divisors?.join()
    )
      steps.push({ start: length, parameters });
    if (steps.length > MOST_STEPS || (steps.length > 1 && model.rotatesTextsApart)) {
      // The text of a row is as long as its tokens without padding say there: no one length for the batch.
      positions = (steps[1]?.start ?? 2) - 1;
      break;
    }
    scales.push(parameters.scale ?? 1);
  }
  const isCut = positions < longest;
  const kept = isCut ? steps.slice(0, 1) : steps;
  const lengths = scales.slice(0, positions + 1);
  const isOneScale = lengths.every((scale, length) => length === 0 || scale === lengths[1]);
  const tables = kept.map(({ parameters }) =>
    scope(() => {
      const { base, divisors } = parameters;
      const { headDim } = model.shape;
      const scale = isOneScale ? (parameters.scale ?? 1) : 1;
      const table = { start: 0, length: positions, headDim, base, divisors, scale, dtype, device: 'cpu' };
      const { cos, sin } = rotaryTable(table);
      const half = (whole: Tensor): Tensor => whole.narrow(1, 0, headDim / 2).contiguous();
      return { cos: half(cos), sin: half(sin) };
    }),
  );
  return {
    positions,
    cos: cat(tables.map(({ cos }) => cos)),
    sin: cat(tables.map(({ sin }) => sin)),
    starts: kept.length > 1 ? intTensor(kept.slice(1).map(({ start }) => start)) : undefined,
    scales: isOneScale ? undefined : floatTensor(lengths, [positions + 1], { dtype }),
    limit: isCut
      ? `its rotary base grows with the length of each text from ${positions + 1} tokens on, which a fixed graph cannot follow`
      : undefined,
  };
}
