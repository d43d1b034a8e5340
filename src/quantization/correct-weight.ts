/**
 * A weight moved towards what its layer should give: the calibration that comes through quantised layers differs from that of the full
 * model, and part of the difference can be made good by the weights that follow (Arai and Ichikawa 2025, "Quantization Error
 * Propagation").
 *
 * Shapes: O outputs, I inputs. X inputs behind quantised layers, X' those of the full model.
 */
import { noGrad, operator, scope, type Tensor } from '../tensor/index.js';

const cholesky = operator('aten::linalg_cholesky');
const choleskySolve = operator('aten::cholesky_solve');
const diagonalOf = operator('aten::diagonal');

/** What is known of both. */
export interface PairedInputs {
  /** Sum of x x^T. [I, I] */
  readonly gram: Tensor;
  /** Sum of x' x^T. [I, I] */
  readonly cross: Tensor;
}

/** Added to the diagonal, relative to its mean. */
const DAMPING = 0.01;

/**
 * (X' - X) X^T (X X^T + damping)^-1, times `strength`. Less than 1 keeps what a short calibration gives by chance in bounds.
 * @returns [I, I]: W plus W times this is the moved weight
 */
export function correction({ gram, cross }: PairedInputs, strength: number): Tensor {
  return noGrad(() =>
    scope(() => {
      // What is made on the way is freed as soon as it can be: each of these is as large as the Hessian.
      const factor = scope(() => {
        const damped = gram.clone();
        const diagonal = diagonalOf(damped);
        const ridge = Math.max(diagonal.mean().item() * DAMPING, 1e-20);
        diagonal.copy_(diagonal.add(ridge));
        return cholesky(damped);
      });
      const lack = scope(() => cross.sub(gram).transpose(0, 1).contiguous()); // (X' - X) X^T, turned
      const solved = scope(() => choleskySolve(lack, factor));
      lack.dispose();
      factor.dispose();
      return scope(() => solved.transpose(0, 1).mul(strength).contiguous());
    }),
  );
}
