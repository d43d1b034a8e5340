/** The table of an embedding with an adapter worked in: a low-rank update, and rows of single ids. */
import { InputError } from '../../errors/index.js';
import { loraScale } from '../../lora/index.js';
import { intTensor, noGrad, operator, scope, type Tensor } from '../../tensor/index.js';
import type { AdapterLayer } from './adapter-file.js';
import type { AdapterPart } from './adapter-names.js';

const vectorNorm = operator('aten::linalg_vector_norm');

/**
 * W + scale * A^T B^T, each column of its magnitude with DoRA, then the rows of single ids; in the dtype of W, computed in
 * float32 (float64 for float64).
 * @param weight [V, D]
 * @throws InputError for an id that the table does not have
 */
export function adaptedEmbedding(
  weight: Tensor,
  { options, tokens }: AdapterLayer,
  parts: ReadonlyMap<AdapterPart, Tensor>,
): Tensor {
  return noGrad(() =>
    scope(() => {
      const wide = weight.dtype === 'float64' ? 'float64' : 'float32';
      const placed = (part: AdapterPart): Tensor | undefined =>
        parts.get(part)?.toDevice(weight.device).to(wide);
      const [a, b, magnitude, rows] = [
        placed('embeddingA'), // [R, V]
        placed('embeddingB'), // [D, R]
        placed('loraMagnitude'), // [D]
        placed('tokens'), // [N, D]
      ];
      let table = weight.to(wide);
      if (a !== undefined && b !== undefined)
        table = table.add(a.transpose(0, 1).matmul(b.transpose(0, 1)).mul(loraScale(options)));
      if (magnitude !== undefined) table = table.mul(magnitude.div(vectorNorm(table, 2, [0])));
      if (rows !== undefined && tokens !== undefined) {
        checkTokens(tokens, weight.size(0));
        table = table.clone();
        table.indexCopy_(0, intTensor(tokens, undefined, { device: weight.device }), rows);
      }
      const result = table.to(weight.dtype);
      return result === weight ? result.clone() : result;
    }),
  );
}

/** @throws InputError for an id that a table of `rows` does not have, or one named twice */
export function checkTokens(tokens: readonly number[], rows: number): void {
  const wrong = tokens.find((id, index) => id >= rows || tokens.indexOf(id) !== index);
  if (wrong === undefined) return;
  throw new InputError(
    `the adapter's trainable_token_indices have ${wrong}${wrong >= rows ? `, but the embedding has ${rows} rows` : ' twice'}.`,
  );
}
