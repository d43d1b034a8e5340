/** Norms of the rows of an adapted weight, which DoRA divides by. */
import { cat, type FloatDType, noGrad, operator, scope, type Tensor } from '../tensor/index.js';

const addmm = operator('aten::addmm');
const vectorNorm = operator('aten::linalg_vector_norm');

/** Elements of the weight that are widened at one time: 1 MB in float32, which stays in the processor's cache. */
const STRIP_ELEMENTS = 2 ** 18;

/** Rows of a dense weight [O, I] that move by scale * B A; undefined: they do not. */
export interface RowUpdate {
  readonly loraA: Tensor; // [R, I]
  readonly loraB: Tensor; // [O, R]
  readonly scale: number;
}

/**
 * ||W + scale * B A|| of every row, outside of any graph, in float64 for a float64 weight, else in float32. The weight is
 * taken in strips of rows, so that no wide copy of it is made. A row of zeros, whose direction nothing tells, counts as 1.
 * @param sum over the parts of a matrix of which this is one. Default: it is the whole
 */
export function rowNorms(weight: Tensor, update?: RowUpdate, sum?: (squares: Tensor) => Tensor): Tensor {
  return noGrad(() =>
    scope(() => {
      const dtype = wideDType(weight);
      const a = update?.loraA.to(dtype);
      const rows = weight.size(0);
      const height = Math.max(1, Math.floor(STRIP_ELEMENTS / weight.size(1)));
      const strips: Tensor[] = [];
      for (let start = 0; start < rows; start += height) {
        const count = Math.min(height, rows - start);
        strips.push(
          scope(() => {
            const strip = weight.narrow(0, start, count).to(dtype);
            if (update === undefined || a === undefined) return vectorNorm(strip, 2, [1]);
            const b = update.loraB.narrow(0, start, count).to(dtype);
            return vectorNorm(addmm(strip, b, a, 1, update.scale), 2, [1]);
          }),
        );
      }
      const own = cat(strips);
      const norms = sum === undefined ? own : sum(own.mul(own)).sqrt();
      return norms.maskedFill(norms.eq(0), 1);
    }),
  );
}

/** What sums over a weight are computed in. */
export function wideDType({ dtype }: Tensor): FloatDType {
  return dtype === 'float64' ? 'float64' : 'float32';
}
