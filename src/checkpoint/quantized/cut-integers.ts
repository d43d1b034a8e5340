/** A part of a matrix that is kept in integers, for a process that shares it with others. */
import type { IntegerMatrix } from '../../formats/index.js';
import type { ElementRange } from '../tensor-cut.js';

/** Some outputs or inputs, in their order; groups of which nothing is left are left out. */
export function cutIntegers(
  matrix: IntegerMatrix,
  axis: 'outputs' | 'inputs',
  spans: readonly ElementRange[],
): IntegerMatrix {
  const places = Int32Array.from(
    spans.flatMap(({ start, length }) => Array.from({ length }, (_, index) => start + index)),
  );
  return axis === 'outputs' ? outputsOf(matrix, places) : inputsOf(matrix, places);
}

function outputsOf(matrix: IntegerMatrix, outputs: Int32Array): IntegerMatrix {
  const groupCount = matrix.scales.length / matrix.outFeatures;
  const values = new Uint8Array(outputs.length * matrix.inFeatures);
  const scales = new Float32Array(outputs.length * groupCount);
  const zeros = new Uint8Array(outputs.length * groupCount);
  for (const [row, output] of outputs.entries()) {
    const [first, group] = [output * matrix.inFeatures, output * groupCount];
    values.set(matrix.values.subarray(first, first + matrix.inFeatures), row * matrix.inFeatures);
    scales.set(matrix.scales.subarray(group, group + groupCount), row * groupCount);
    zeros.set(matrix.zeros.subarray(group, group + groupCount), row * groupCount);
  }
  return { ...matrix, outFeatures: outputs.length, values, scales, zeros };
}

function inputsOf(matrix: IntegerMatrix, inputs: Int32Array): IntegerMatrix {
  const { outFeatures, inFeatures } = matrix;
  const groupCount = matrix.scales.length / outFeatures;
  const kept = [...new Set(Array.from(inputs, (input) => matrix.groups[input] ?? 0))].sort((a, b) => a - b);
  const places = new Map(kept.map((group, place) => [group, place]));
  const groups = inputs.map((input) => places.get(matrix.groups[input] ?? 0) ?? 0);
  const values = new Uint8Array(outFeatures * inputs.length);
  const scales = new Float32Array(outFeatures * kept.length);
  const zeros = new Uint8Array(outFeatures * kept.length);
  for (let row = 0; row < outFeatures; row++) {
    for (const [place, input] of inputs.entries())
      values[row * inputs.length + place] = matrix.values[row * inFeatures + input] ?? 0;
    for (const [place, group] of kept.entries()) {
      scales[row * kept.length + place] = matrix.scales[row * groupCount + group] ?? 0;
      zeros[row * kept.length + place] = matrix.zeros[row * groupCount + group] ?? 0;
    }
  }
  return { ...matrix, inFeatures: inputs.length, values, scales, zeros, groups };
}
