/** `xinghe quantize`: the linear layers of a model's blocks as integers; all else as it is. */
import { join } from 'node:path';
import { ParameterReader } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import {
  type IntegerMatrix,
  readView,
  type TensorInput,
  tensorBytes,
  viewBytes,
  writeFileAtomic,
  writeFolderAtomic,
  writeSafetensors,
} from '../../formats/index.js';
import { roundToNearest } from '../../quantization/index.js';
import { noGrad, scope, type Tensor } from '../../tensor/index.js';
import { copyAuxiliaryFiles } from '../auxiliary-files.js';
import { refuseSamePath } from '../convert/conversion-target.js';
import { openSource } from '../convert/open-source.js';
import type { Architecture } from '../family.js';
import { loadModel } from '../load-model.js';
import { BlockCalibration } from './block-calibration.js';
import { compareModels, type ModelComparison } from './compare-models.js';
import { formFault, type IntegerFileForm, integerTensors, quantizationConfig } from './integer-files.js';
import {
  type FilePlan,
  type PlainWeight,
  planFiles,
  type QuantizationPlan,
  type QuantizedWeight,
} from './plan-files.js';
import {
  type LayerReport,
  type QuantizationReport,
  relativeError,
  writeReport,
} from './quantization-report.js';
import type { QuantizationScheme, QuantizeOptions } from './quantize-options.js';

/**
 * Writes a whole folder or nothing. In memory are the integers of one file and one weight in floats.
 * @throws InputError for a model that cannot be quantised so, before anything is written where that can be known
 */
export async function quantizeModel(options: QuantizeOptions): Promise<QuantizationReport> {
  const started = performance.now();
  refuseSamePath({ from: options.from, to: options.to });
  const source = openSource(options.from, { configPath: options.configPath });
  const { architecture } = source;
  if (architecture === undefined)
    throw new InputError(
      `${options.from}: no config of a family that is known here lies beside the weights; give it with --config.`,
    );
  const plan = planFiles(options, source, architecture);
  const form = fileForm(options, plan);
  refuseFaults(options, form, plan);
  return writeFolderAtomic(
    options.to,
    (folder) => {
      const written = writeFiles(folder, plan, form, options);
      writeConfig(folder, options, architecture, quantizationConfig(form, plan.kept));
      const comparison =
        options.measured === undefined ? undefined : measure(folder, options, options.measured);
      const report: QuantizationReport = {
        ...{ from: options.from, scheme: schemeOf(options), form: form.form, bits: form.bits },
        ...{ groupSize: form.groupSize ?? 'row', isSymmetric: form.isSymmetric },
        sourceBytes: plan.files.reduce((sum, file) => sum + sourceBytes(file), 0),
        ...written,
        comparison,
        seconds: (performance.now() - started) / 1000,
      };
      writeReport(folder, report);
      return report;
    },
    { replace: options.replace ?? false },
  );
}

function sourceBytes({ quantized, plain }: FilePlan): number {
  return [...quantized, ...plain].reduce((sum, { view }) => sum + viewBytes(view), 0);
}

/** The usual sizes; the first that divides the inputs of all layers is the default. */
const GROUPS = [128, 64, 32] as const;

function fileForm(options: QuantizeOptions, { files }: QuantizationPlan): IntegerFileForm {
  const { bits, form = 'compressed-tensors', groupSize } = options;
  const scheme = schemeOf(options);
  const weights = files.flatMap(({ quantized }) => quantized);
  const usual =
    GROUPS.find((each) => weights.every(({ shape: [, inFeatures] }) => inFeatures % each === 0)) ?? 'row';
  const size = groupSize ?? (scheme === 'published' ? 'row' : usual);
  const dtype = weights[0]?.view.dtype;
  // As the published code keeps them: in the dtype of the weights. Others are rounded before the integers are chosen.
  const isPublished = scheme === 'published' && (dtype === 'float32' || dtype === 'bfloat16');
  const isWide = dtype === 'bfloat16' && form === 'compressed-tensors';
  const scaleDType = isPublished ? dtype : isWide ? 'bfloat16' : 'float16';
  return {
    ...{ form, bits, scaleDType },
    groupSize: size === 'row' ? undefined : size,
    isSymmetric: scheme === 'published' || options.isSymmetric === true,
  };
}

/** @throws InputError for a layer that the form has no place for */
function refuseFaults({ from }: QuantizeOptions, form: IntegerFileForm, { files }: QuantizationPlan): void {
  if (form.form === 'awq' && form.isSymmetric)
    throw new InputError(
      '--form awq keeps a zero point for each group: leave --symmetric and --scheme published away.',
    );
  for (const { quantized } of files)
    for (const { layer, shape } of quantized) {
      const fault = formFault(form, shape);
      if (fault !== undefined)
        throw new InputError(
          `${from}: ${layer} cannot be kept as ${form.form}: ${fault}. Choose another --group-size or --form, or leave the layer ` +
            'as it is with --keep.',
        );
    }
}

interface WrittenFiles {
  readonly bytes: number;
  readonly layers: readonly LayerReport[];
}

function writeFiles(
  folder: string,
  { files }: QuantizationPlan,
  form: IntegerFileForm,
  options: QuantizeOptions,
): WrittenFiles {
  const total = files.reduce((sum, { quantized }) => sum + quantized.length, 0);
  const calibration = calibrationOf(options, form, files);
  const reader = new ParameterReader();
  const layers: LayerReport[] = [];
  const weightMap: Record<string, string> = {};
  let bytes = 0;
  try {
    for (const [index, { quantized, plain }] of files.entries()) {
      const name = fileName(index, files.length);
      const tensors = plain.map(plainTensor);
      for (const weight of quantized) {
        const { report, parts } = quantizeWeight(weight, reader, form, options, calibration);
        layers.push(report);
        tensors.push(...parts);
        options.onProgress?.(layers.length, total);
      }
      writeSafetensors(join(folder, name), tensors, { format: 'pt' });
      for (const tensor of tensors) {
        weightMap[tensor.name] = name;
        bytes += tensorBytes(tensor);
      }
    }
  } finally {
    reader.dispose();
    calibration?.dispose();
  }
  if (files.length > 1) {
    const content = { metadata: { total_size: bytes }, weight_map: weightMap };
    writeFileAtomic(join(folder, 'model.safetensors.index.json'), `${JSON.stringify(content, null, 2)}\n`);
  }
  return { bytes, layers };
}

function fileName(index: number, count: number): string {
  const digits = (value: number): string => String(value).padStart(5, '0');
  return count === 1 ? 'model.safetensors' : `model-${digits(index + 1)}-of-${digits(count)}.safetensors`;
}

function plainTensor({ name, view }: PlainWeight): TensorInput {
  return { name, dtype: view.dtype, shape: view.shape, bytes: () => readView(view) };
}

function quantizeWeight(
  { layer, path, view, isTransposed, shape }: QuantizedWeight,
  reader: ParameterReader,
  form: IntegerFileForm,
  options: QuantizeOptions,
  calibration: BlockCalibration | undefined,
): { report: LayerReport; parts: TensorInput[] } {
  return noGrad(() =>
    scope(() => {
      const stored = reader.read(view, {});
      const weight = isTransposed ? stored.transpose(0, 1).contiguous() : stored; // [O, I]
      const matrix = calibration?.take(path) ?? integersOf(weight, form, options);
      refuseNonFinite(options.from, layer, matrix, weight);
      const parts = integerTensors(layer, matrix, form);
      const bytes = parts
        .filter(({ name }) => !/\.(g_idx|weight_shape)$/.test(name))
        .reduce((sum, part) => sum + tensorBytes(part), 0);
      const [outFeatures, inFeatures] = shape;
      const bitsPerWeight = (bytes * 8) / (outFeatures * inFeatures);
      return {
        report: { name: layer, bits: form.bits, bitsPerWeight, relativeError: relativeError(weight, matrix) },
        parts,
      };
    }),
  );
}

/** By the weight alone: also of layers that a calibration does not reach, as experts. */
function integersOf(weight: Tensor, form: IntegerFileForm, options: QuantizeOptions): IntegerMatrix {
  const { bits, groupSize, scaleDType, isSymmetric } = form;
  if (schemeOf(options) === 'published')
    return roundToNearest(weight, { bits, groupSize, range: 'published' });
  return roundToNearest(weight, {
    ...{ bits, groupSize, scaleDType, searchRange: options.searchRange },
    range: isSymmetric ? 'symmetric' : 'asymmetric',
  });
}

/** @throws InputError for gptq without a calibration */
function schemeOf({ scheme, calibration }: QuantizeOptions): QuantizationScheme {
  if (scheme === 'gptq' && calibration === undefined)
    throw new InputError(
      'gptq rounds by what a text gives: name one with --calibration, or choose --scheme rtn.',
    );
  return scheme ?? (calibration === undefined ? 'rtn' : 'gptq');
}

function calibrationOf(
  options: QuantizeOptions,
  { bits, groupSize, isSymmetric, scaleDType }: IntegerFileForm,
  files: readonly FilePlan[],
): BlockCalibration | undefined {
  const { from, configPath, calibration, actOrder = true } = options;
  if (schemeOf(options) !== 'gptq' || calibration === undefined) return undefined;
  const paths = new Set(files.flatMap(({ quantized }) => quantized.map(({ path }) => path)));
  const { model } = loadModel(from, { configPath });
  // Groups of neighbours: each form has a place for them, and files are read faster.
  const rule = { bits, groupSize, isSymmetric, actOrder, staticGroups: true, scaleDType };
  return new BlockCalibration(model, calibration, rule, (path) => paths.has(path));
}

function measure(
  folder: string,
  { from, configPath }: QuantizeOptions,
  windows: readonly (readonly number[])[],
): ModelComparison {
  const full = loadModel(from, { configPath, dtype: 'float32' }).model;
  const quantized = loadModel(folder, { keepIntegers: true, dtype: 'float32' }).model;
  try {
    return compareModels(full, quantized, windows);
  } finally {
    full.dispose();
    quantized.dispose();
  }
}

/** @throws InputError for a row that holds NaN or infinity, or whose scale the stored dtype cannot hold */
function refuseNonFinite(
  from: string,
  layer: string,
  { scales, outFeatures }: IntegerMatrix,
  weight: Tensor,
): void {
  const place = scales.findIndex((scale) => !Number.isFinite(scale));
  if (place < 0 && scope(() => weight.isfinite().all().item()) === 1) return;
  const row = Math.floor(place / (scales.length / outFeatures));
  throw new InputError(
    `${from}: ${layer}.weight${place < 0 ? '' : `, row ${row}`} holds NaN or infinity, or weights too large for 16-bit scales; the ` +
      'weights are damaged: download or convert them again.',
  );
}

/** What lies beside the weights, and in the config how they are kept. */
function writeConfig(
  folder: string,
  { from, configPath }: QuantizeOptions,
  { configFile, publishedConfig }: Architecture,
  quantization: Record<string, unknown>,
): void {
  copyAuxiliaryFiles(from, folder, configPath);
  const text = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  if (configFile === 'config.json') {
    const config = { ...Object(publishedConfig), quantization_config: quantization };
    writeFileAtomic(join(folder, 'config.json'), text(config));
  } else writeFileAtomic(join(folder, 'quantize_config.json'), text(quantization));
}
