/** What a quantisation did to a model: a report beside its weights, as JSON and as a table. */
import { join } from 'node:path';
import { dequantizeRows, type IntegerMatrix, writeFileAtomic } from '../../formats/index.js';
import { formatBytes } from '../../log/index.js';
import { floatTensor, noGrad, scope, type Tensor } from '../../tensor/index.js';
import type { ModelComparison } from './compare-models.js';
import type { QuantizationForm, QuantizationScheme } from './quantize-options.js';

export interface LayerReport {
  /** Published name. */
  readonly name: string;
  readonly bits: number;
  /** Bits of a weight with its share of scales and zero points. */
  readonly bitsPerWeight: number;
  /** |W' - W|^2 / |W|^2; 0 for a weight of zeros. */
  readonly relativeError: number;
}

export interface QuantizationReport {
  readonly from: string;
  readonly scheme: QuantizationScheme;
  readonly form: QuantizationForm;
  readonly bits: number;
  readonly groupSize: number | 'row';
  readonly isSymmetric: boolean;
  /** Of all weights, before and after. */
  readonly sourceBytes: number;
  readonly bytes: number;
  readonly layers: readonly LayerReport[];
  /** On a text, where one was given. */
  readonly comparison: ModelComparison | undefined;
  readonly seconds: number;
}

export const REPORT_FILE = 'quantization_report.json';
const TABLE_FILE = 'quantization_report.md';

/** Rows whose difference is taken at a time: beside the weight no second copy of it exists. */
const ROWS = 256;

/** @param weight [O, I] */
export function relativeError(weight: Tensor, matrix: IntegerMatrix): number {
  const { outFeatures, inFeatures } = matrix;
  let [error, square] = [0, 0];
  for (let row = 0; row < outFeatures; row += ROWS)
    noGrad(() =>
      scope(() => {
        const count = Math.min(ROWS, outFeatures - row);
        const made = new Float32Array(count * inFeatures);
        dequantizeRows(matrix, row, row + count, made);
        const exact = weight.narrow(0, row, count).to('float32');
        const difference = floatTensor(made, [count, inFeatures]).sub(exact);
        error += difference.mul(difference).sum().item();
        square += exact.mul(exact).sum().item();
      }),
    );
  return square === 0 ? 0 : error / square;
}

export function writeReport(folder: string, report: QuantizationReport): void {
  writeFileAtomic(join(folder, REPORT_FILE), `${JSON.stringify(report, null, 2)}\n`);
  writeFileAtomic(join(folder, TABLE_FILE), tableOf(report));
}

function tableOf(report: QuantizationReport): string {
  const { scheme, bits, groupSize, form, isSymmetric, layers, sourceBytes, bytes, comparison } = report;
  const size = groupSize === 'row' ? 'a scale for each row' : `groups of ${groupSize}`;
  const rows = layers.map(
    ({ name, bitsPerWeight, relativeError: error }) =>
      `| ${name} | ${bitsPerWeight.toFixed(2)} | ${error.toExponential(2)} |`,
  );
  return [
    `int${bits} (${scheme}, ${size}, ${isSymmetric ? 'symmetric' : 'asymmetric'}; ${form}): ${formatBytes(sourceBytes)} -> ` +
      `${formatBytes(bytes)}`,
    '',
    ...(comparison === undefined ? [] : comparisonTable(comparison)),
    "| layer | bits a weight | squared error, relative to the weight's square |",
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function comparisonTable(comparison: ModelComparison): string[] {
  const { tokens, fullPerplexity, perplexity, divergence, divergence99, top1Agreement } = comparison;
  return [
    '| on the measured text | full | quantised |',
    '| --- | --- | --- |',
    `| perplexity (${tokens} tokens) | ${fullPerplexity.toFixed(3)} | ${perplexity.toFixed(3)} |`,
    `| KL divergence from the full model, nats: mean (99th percentile) | | ${divergence.toFixed(4)} (${divergence99.toFixed(3)}) |`,
    `| the likeliest token is the same | | ${(100 * top1Agreement).toFixed(1)} % |`,
    '',
  ];
}
