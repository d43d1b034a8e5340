/** `xinghe plan --for generation`: whether a model and the keys and values of its texts fit. */
import { InputError } from '../../errors/index.js';
import { formatBytes, formatCount, log } from '../../log/index.js';
import { checkTensorSplit, divisorsOf, dtypeOfConfig, weightsOfFiles } from '../../models/index.js';
import { type GenerationOptions, type GenerationPlan, planGeneration } from '../../training/index.js';
import { EXIT_BAD_INPUT } from '../options.js';
import type { PlanCliOptions } from './plan-options.js';
import { type PlanSource, quantizedBy, readModelSource, refuseQuantizationOptions } from './plan-source.js';

const DEFAULT_LENGTH = 1024;

/** @returns the exit code: 2 if it does not fit */
export function reportGeneration(
  options: PlanCliOptions,
  { startBytes, available }: { readonly startBytes: number; readonly available: number },
): number {
  const source = readModelSource(options);
  const { architecture } = source;
  const tensor = options.devices ?? 1;
  if (tensor > 1) checkTensorSplit(architecture, tensor, `--devices is ${tensor}`);
  const asked: GenerationOptions = {
    weights: weightsOf(source, options),
    tensor,
    sequences: options['max-sequences'] ?? 1,
    length: options['sequence-length'] ?? DEFAULT_LENGTH,
    kvDType: options['kv-dtype'] === 'int8' ? 'int8' : undefined,
    batchTokens: options['max-batch-tokens'] ?? 512,
    startBytes,
  };
  const { maxPositions } = architecture.shape;
  if (maxPositions !== undefined && asked.length > maxPositions)
    throw new InputError(
      `xinghe plan: --sequence-length ${asked.length}: the model is made for ${maxPositions} positions; give at most as many.`,
    );
  const found = planGeneration(architecture, asked);
  const fits = found.total <= available;
  if (options.json) process.stdout.write(`${JSON.stringify(asJson(found, asked, available))}\n`);
  else {
    const verdict = fits
      ? `fits into the ${formatBytes(available)} that are free`
      : `DOES NOT FIT into the ${formatBytes(available)} that are free; ${wayOut(source, asked, found, available, options)}`;
    process.stdout.write(describe(source, found, asked, verdict));
  }
  if (fits) return 0;
  log('xinghe plan: it does not fit; the exit code is 2');
  return EXIT_BAD_INPUT;
}

function weightsOf(
  { architecture, weights }: PlanSource,
  options: PlanCliOptions,
): GenerationOptions['weights'] {
  const inFiles = weights === undefined ? undefined : weightsOfFiles(weights, architecture, options.dtype);
  if (options.quantize === undefined) {
    refuseQuantizationOptions(options);
    const dtype = options.dtype ?? dtypeOfConfig(architecture);
    return inFiles ?? { dtype, integers: new Map(), castBytes: 0 };
  }
  if (inFiles !== undefined && inFiles.integers.size > 0)
    throw new InputError(
      `xinghe plan: --quantize ${options.quantize}: ${weights} is quantised already; leave --quantize out.`,
    );
  return quantizedBy(options, architecture, options.dtype ?? inFiles?.dtype ?? dtypeOfConfig(architecture));
}

function describe(
  { architecture: { family } }: PlanSource,
  found: GenerationPlan,
  { weights: { dtype }, tensor = 1, sequences = 1, length, kvDType, batchTokens }: GenerationOptions,
  verdict: string,
): string {
  const texts = sequences === 1 ? `a text of ${length} tokens` : `${sequences} texts of ${length} tokens`;
  const rows: [name: string, bytes: number, note: string][] = [
    ['weights', found.weights, weightsText(found, dtype)],
    [
      'KV cache',
      found.cache,
      `${texts}, ${kvDType ?? dtype} pages, ${formatBytes(found.cachePerToken)} a token`,
    ],
    ['step', found.step, `${batchTokens} tokens at most, and logits`],
    ...(found.phase === 'reading'
      ? [
          ['reading', found.reading, 'pages of files, while other weights are made of them'] as [
            string,
            number,
            string,
          ],
        ]
      : []),
    ['program', found.process, 'libraries and their buffers'],
    ['peak', found.total, found.phase === 'reading' ? `while reading; ${verdict}` : verdict],
  ];
  return [
    `${family}, ${formatCount(found.elements)} parameters, generation${tensor > 1 ? `; each of ${tensor} ranks that share every matrix` : ''}`,
    ...rows.map(([name, bytes, note]) => `  ${name.padEnd(16)} ${formatBytes(bytes).padStart(9)}  ${note}`),
    '',
  ].join('\n');
}

function weightsText({ integerElements, integerBytes, weights }: GenerationPlan, dtype: string): string {
  if (integerElements === 0) return dtype;
  // Of all ranks alike: both are a rank's share of the same.
  return `${formatBytes(integerBytes)} integers, ${formatBytes(weights - integerBytes)} ${dtype}`;
}

/** What would fit, as far as it is told by these shapes. */
function wayOut(
  source: PlanSource,
  asked: GenerationOptions,
  found: GenerationPlan,
  available: number,
  options: PlanCliOptions,
): string {
  const { architecture } = source;
  const fitsWith = (changes: Partial<GenerationOptions>): boolean =>
    planGeneration(architecture, { ...asked, ...changes }).total <= available;
  const ways: string[] = [];
  if (asked.kvDType === undefined && fitsWith({ kvDType: 'int8' })) ways.push('--kv-dtype int8');
  const { sequences = 1, tensor = 1 } = asked;
  const room = available - found.total + found.cache;
  const perText = found.cache / sequences;
  const texts = Math.floor(room / perText);
  if (texts >= 1 && texts < sequences) ways.push(`--max-sequences ${texts}`);
  const tokens = Math.floor(room / sequences / found.cachePerToken / 16) * 16;
  if (tokens >= 16 && tokens < asked.length) ways.push(`--sequence-length ${tokens}`);
  if (asked.weights.integers.size === 0 && options.quantize === undefined)
    for (const bits of ['int8', 'int4'] as const) {
      const weights = quantizedBy({ ...options, quantize: bits }, architecture, asked.weights.dtype);
      if (!fitsWith({ weights })) continue;
      ways.push(`--quantize ${bits}`);
      break;
    }
  const devices = divisorsOf(architecture.shape.numHeads).find(
    (count) => count > tensor && canShare(source, count) && fitsWith({ tensor: count }),
  );
  if (devices !== undefined) ways.push(`--devices ${devices}`);
  return ways.length === 0
    ? `take a machine or device with more than ${formatBytes(found.total)}, or a smaller model`
    : `what fits: ${ways.join(', or ')}`;
}

function canShare({ architecture }: PlanSource, tensor: number): boolean {
  try {
    checkTensorSplit(architecture, tensor, '--devices');
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

function asJson(found: GenerationPlan, asked: GenerationOptions, available: number): unknown {
  return {
    parameters: found.elements,
    dtype: asked.weights.dtype,
    weights: found.weights,
    integer_parameters: found.integerElements,
    integer_bytes: found.integerBytes,
    kv_cache: found.cache,
    kv_cache_per_token: found.cachePerToken,
    kv_dtype: asked.kvDType ?? asked.weights.dtype,
    sequences: asked.sequences,
    sequence_length: asked.length,
    step: found.step,
    reading: found.reading,
    process: found.process,
    ranks: asked.tensor,
    peak_bytes: found.total,
    fullest_phase: found.phase,
    available_bytes: available,
    fits: found.total <= available,
  };
}
