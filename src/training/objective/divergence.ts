/** How far two distributions of the next token are from one another. Shapes: n tokens, V vocabulary. */
import { operator, type Tensor } from '../../tensor/index.js';

const logAddExp = operator('aten::logaddexp');

/**
 * The generalised Jensen-Shannon divergence of GKD (Agarwal et al. 2024, arXiv 2306.13649, equation 1) by token: 0: KL(teacher ||
 * student), the forward one; 1: KL(student || teacher), the reverse one; between: beta KL(teacher || m) + (1 - beta) KL(student || m),
 * m being beta teacher + (1 - beta) student.
 * @param student [n, V] and teacher [n, V]: log-probabilities @returns [n]
 */
export function generalizedDivergence(student: Tensor, teacher: Tensor, beta: number): Tensor {
  if (beta === 0) return divergence(teacher, student);
  if (beta === 1) return divergence(student, teacher);
  const mixture = logAddExp(student.add(Math.log1p(-beta)), teacher.add(Math.log(beta)));
  return divergence(teacher, mixture)
    .mul(beta)
    .add(divergence(student, mixture).mul(1 - beta));
}

/** KL(p || q) of log-probabilities. */
function divergence(p: Tensor, q: Tensor): Tensor {
  return p.exp().mul(p.sub(q)).sum([-1]);
}
