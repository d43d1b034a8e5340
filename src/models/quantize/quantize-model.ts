/** `xinghe quantize`: the linear layers of a model's blocks as integers; all else as it is. */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { ParameterReader } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import {
  fileStatus,
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
import { isFloatDType, noGrad, scope, type Tensor } from '../../tensor/index.js';
import { copyAuxiliaryFiles } from '../auxiliary-files.js';
import { refuseSamePath } from '../convert/conversion-target.js';
import { openSource } from '../convert/open-source.js';
import type { Architecture } from '../family.js';
import { BlockCalibration } from './block-calibration.js';
import { compareModels, type ModelComparison } from './compare-models.js';
import { FILE_METADATA, FinishedBlocks, QuantizationStopped } from './finished-blocks.js';
import { formFault, type IntegerFileForm, integerTensors, quantizationConfig } from './integer-files.js';
import { type LayerForms, layerForms, otherForms, withFloats } from './layer-forms.js';
import {
  type BlockPlan,
  type PlainWeight,
  planFiles,
  type QuantizationPlan,
  type QuantizedWeight,
} from './plan-files.js';
import { calibrationRule, roundingRule, schemeOf } from './quantization-recipe.js';
import {
  type LayerReport,
  type QuantizationReport,
  relativeError,
  writeReport,
} from './quantization-report.js';
import type { QuantizeOptions } from './quantize-options.js';
import { StreamedModel } from './streamed-model.js';

/**
 * Writes a whole folder or nothing; blocks that are done lie beside it until then, so that a run that was ended goes on behind them. In
 * memory are the integers of one block and one weight in floats; with a calibration the block that it works on in float32, twice where
 * the full one is followed, and what the text gives there.
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
  const planned = planFiles(options, source, architecture);
  const form = fileForm(options, planned);
  refuseFaults(options, form, planned);
  return writeFolderAtomic(
    options.to,
    (folder) => {
      const finished = new FinishedBlocks(options.to, requestOf(options, planned));
      try {
        const forms = layerForms(options, planned, form, finished, () => modelOf(options));
        const plan = withFloats(planned, forms);
        const layers = quantizeBlocks(finished, plan, { form, forms }, options);
        const bytes = finished.keeping(() => writeFiles(folder, plan, finished));
        writeConfig(
          folder,
          options,
          architecture,
          quantizationConfig(form, otherForms(form, forms), plan.kept),
        );
        const comparison =
          options.measured === undefined ? undefined : measure(folder, options, options.measured);
        const report: QuantizationReport = {
          ...{ from: options.from, scheme: schemeOf(options), form: form.form, bits: form.bits },
          ...{ groupSize: form.groupSize ?? 'row', isSymmetric: form.isSymmetric },
          sourceBytes: plan.blocks.reduce((sum, block) => sum + sourceBytes(block), 0),
          ...{ bytes, layers, comparison },
          seconds: (performance.now() - started) / 1000,
        };
        writeReport(folder, report);
        finished.remove();
        return report;
      } catch (error) {
        // The same would be refused again.
        if (error instanceof InputError && !(error instanceof QuantizationStopped)) finished.remove();
        throw error;
      }
    },
    { replace: options.replace ?? false },
  );
}

function sourceBytes({ quantized, plain }: BlockPlan): number {
  return [...quantized, ...plain].reduce((sum, { view }) => sum + viewBytes(view), 0);
}

/** The usual sizes; the first that divides the inputs of all layers is the default. */
const GROUPS = [128, 64, 32] as const;

function fileForm(options: QuantizeOptions, { blocks }: QuantizationPlan): IntegerFileForm {
  const { bits, form = 'compressed-tensors', groupSize } = options;
  const scheme = schemeOf(options);
  const weights = blocks.flatMap(({ quantized }) => quantized);
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
function refuseFaults(
  { from, ends }: QuantizeOptions,
  form: IntegerFileForm,
  { blocks }: QuantizationPlan,
): void {
  if (form.form === 'awq' && form.isSymmetric)
    throw new InputError(
      '--form awq keeps a zero point for each group: leave --symmetric and --scheme published away.',
    );
  for (const { quantized } of blocks)
    for (const { layer, shape, isEnd } of quantized) {
      const fault = formFault(isEnd && ends !== undefined ? { ...form, bits: ends } : form, shape);
      if (fault !== undefined)
        throw new InputError(
          `${from}: ${layer} cannot be kept as ${form.form}: ${fault}. Choose another --group-size or --form, or leave the layer ` +
            'as it is with --keep.',
        );
    }
}

/** All that decides about the bytes of the folder. */
function requestOf(
  {
    from,
    to,
    bits,
    scheme,
    groupSize,
    isSymmetric,
    searchRange,
    calibration,
    actOrder,
    form,
    keep,
    configPath,
    recipe,
    targetBytes,
    ends,
  }: QuantizeOptions,
  { blocks }: QuantizationPlan,
): unknown {
  const paths = new Set(
    blocks.flatMap(({ quantized, plain }) =>
      [...quantized, ...plain].flatMap(({ view }) =>
        [...view.locate(0, viewBytes(view))].map(({ path }) => path),
      ),
    ),
  );
  const text = createHash('sha256')
    .update(JSON.stringify(calibration ?? []))
    .digest('hex');
  return {
    ...{
      from: resolve(from),
      to: resolve(to),
      bits,
      scheme,
      groupSize,
      isSymmetric,
      searchRange,
      actOrder,
      form,
    },
    ...{ keep, configPath, recipe, targetBytes, ends, text },
    weights: [...paths].sort().map((path) => [path, fileStatus(path)?.size, fileStatus(path)?.mtimeMs]),
  };
}

interface ChosenForms {
  /** Of most layers. */
  readonly form: IntegerFileForm;
  readonly forms: LayerForms;
}

/** Block after block, but those that are done already. */
function quantizeBlocks(
  finished: FinishedBlocks,
  { blocks }: QuantizationPlan,
  { form, forms }: ChosenForms,
  options: QuantizeOptions,
): LayerReport[] {
  const formOf = ({ layer }: QuantizedWeight): IntegerFileForm => {
    const own = forms.get(layer);
    return own === undefined || own === 'float' ? form : own;
  };
  const total = blocks.reduce((sum, { quantized }) => sum + quantized.length, 0);
  const layers: LayerReport[] = [];
  const next = blocks.findIndex(({ index }) => finished.reportOf(index) === undefined);
  const due = next < 0 ? undefined : blocks.slice(next).find(({ index }) => index !== undefined)?.index;
  const calibration =
    due === undefined ? undefined : calibrationOf(options, { form, formOf }, blocks, finished, due);
  try {
    for (const block of blocks) {
      const { index } = block;
      const known = finished.reportOf(index);
      if (known !== undefined) layers.push(...known);
      else {
        const onLayer = (done: number): void => options.onProgress?.(layers.length + done, total);
        finished.keeping(() => {
          const { tensors, own } = quantizeBlock(block, formOf, { ...options, onLayer }, calibration);
          finished.write(index, tensors, own);
          if (calibration !== undefined && index !== undefined) finished.writeState(calibration.state);
          layers.push(...own);
        });
      }
    }
  } finally {
    calibration?.dispose();
  }
  return layers;
}

interface BlockOptions extends QuantizeOptions {
  onLayer(done: number): void;
}

/** Its files are open no longer than that: pages that were read count as memory of the process. */
function quantizeBlock(
  { index, quantized, plain }: BlockPlan,
  formOf: (weight: QuantizedWeight) => IntegerFileForm,
  options: BlockOptions,
  calibration: BlockCalibration | undefined,
): { tensors: TensorInput[]; own: LayerReport[] } {
  const reader = new ParameterReader();
  try {
    if (calibration !== undefined) for (const weight of quantized) refuseDamaged(weight, reader, options);
    if (index !== undefined) calibration?.calibrate(index);
    const own: LayerReport[] = [];
    const integers = quantized.flatMap((weight) => {
      const { report, parts } = quantizeWeight(weight, reader, formOf(weight), options, calibration);
      own.push(report);
      options.onLayer(own.length);
      return parts;
    });
    return { tensors: [...plain.map((weight) => plainTensor(weight, calibration)), ...integers], own };
  } finally {
    reader.dispose();
  }
}

/** @returns bytes of all tensors */
function writeFiles(folder: string, { files }: QuantizationPlan, finished: FinishedBlocks): number {
  const weightMap: Record<string, string> = {};
  let bytes = 0;
  for (const [index, blocks] of files.entries()) {
    const name = fileName(index, files.length);
    const tensors = blocks.flatMap((block) => finished.tensors(block.index));
    const [first, ...others] = blocks;
    // A file of one block is there already, and large models are made of such.
    if (first !== undefined && others.length === 0) finished.link(first.index, join(folder, name));
    else writeSafetensors(join(folder, name), tensors, FILE_METADATA);
    for (const tensor of tensors) {
      weightMap[tensor.name] = name;
      bytes += tensorBytes(tensor);
    }
  }
  if (files.length > 1) {
    const content = { metadata: { total_size: bytes }, weight_map: weightMap };
    writeFileAtomic(join(folder, 'model.safetensors.index.json'), `${JSON.stringify(content, null, 2)}\n`);
  }
  return bytes;
}

function fileName(index: number, count: number): string {
  const digits = (value: number): string => String(value).padStart(5, '0');
  return count === 1 ? 'model.safetensors' : `model-${digits(index + 1)}-of-${digits(count)}.safetensors`;
}

/** Before anything is computed with it: NaN would spread through the block. */
function refuseDamaged(
  { layer, view }: QuantizedWeight,
  reader: ParameterReader,
  { from }: QuantizeOptions,
): void {
  noGrad(() =>
    scope(() => {
      const stored = reader.read(view, {});
      if (stored.isfinite().all().item() === 1) return;
      const row = stored.isfinite().toArray().indexOf(0);
      throw nonFinite(from, layer, Math.floor(row / stored.size(-1)));
    }),
  );
}

/** As it was, or as scaling left it. */
function plainTensor(
  { name, path, view }: PlainWeight,
  calibration: BlockCalibration | undefined,
): TensorInput {
  const { dtype, shape } = view;
  const changed = calibration?.takeChanged(path);
  if (changed === undefined || !isFloatDType(dtype))
    return { name, dtype, shape, bytes: () => readView(view) };
  const bytes = scope(() => changed.to(dtype).toBytes());
  changed.dispose();
  return { name, dtype, shape, bytes: () => bytes };
}

function quantizeWeight(
  { layer, path, expert, view, isTransposed, shape }: QuantizedWeight,
  reader: ParameterReader,
  form: IntegerFileForm,
  options: QuantizeOptions,
  calibration: BlockCalibration | undefined,
): { report: LayerReport; parts: TensorInput[] } {
  return noGrad(() =>
    scope(() => {
      const stored = reader.read(view, {});
      const weight = isTransposed ? stored.transpose(0, 1).contiguous() : stored; // [O, I]
      const calibrated = calibration?.take(path, expert);
      const matrix = calibrated?.matrix ?? roundToNearest(weight, roundingRule(form, options));
      refuseNonFinite(options.from, layer, matrix, weight);
      const parts = integerTensors(layer, matrix, form);
      const bytes = parts
        .filter(({ name }) => !/\.(g_idx|weight_shape)$/.test(name))
        .reduce((sum, part) => sum + tensorBytes(part), 0);
      const [outFeatures, inFeatures] = shape;
      const bitsPerWeight = (bytes * 8) / (outFeatures * inFeatures);
      return {
        report: {
          name: layer,
          bits: form.bits,
          bitsPerWeight,
          relativeError: calibrated?.relativeError ?? relativeError(weight, matrix),
        },
        parts,
      };
    }),
  );
}

function modelOf({ from, configPath }: QuantizeOptions): StreamedModel {
  return new StreamedModel(from, { configPath });
}

function calibrationOf(
  options: QuantizeOptions,
  { form, formOf }: { readonly form: IntegerFileForm; formOf(weight: QuantizedWeight): IntegerFileForm },
  blocks: readonly BlockPlan[],
  finished: FinishedBlocks,
  due: number,
): BlockCalibration | undefined {
  const { calibration } = options;
  const keyOf = (path: string, expert: number | undefined): string => `${path} ${expert ?? ''}`;
  const quantized = new Map(
    blocks.flatMap((block) =>
      block.quantized.map((weight) => [keyOf(weight.path, weight.expert), formOf(weight)] as const),
    ),
  );
  const rule = calibrationRule(options, form, (path, expert) => quantized.get(keyOf(path, expert)));
  if (rule === undefined || calibration === undefined) return undefined;
  const needsFull = rule.scales !== undefined || rule.correction > 0;
  const state = finished.state(due);
  const made = new BlockCalibration(
    { model: modelOf(options), full: needsFull ? modelOf(options) : undefined },
    calibration,
    rule,
    finished.scratch,
    state,
  );
  // A run that was ended between a block and its state: what stood before is computed again.
  for (let index = state?.nextBlock ?? 0; index < due; index++) made.calibrate(index);
  return made;
}

function measure(
  folder: string,
  { from, configPath }: QuantizeOptions,
  windows: readonly (readonly number[])[],
): ModelComparison {
  const full = new StreamedModel(from, { configPath, dtype: 'float32' });
  const quantized = new StreamedModel(folder, { keepIntegers: true, dtype: 'float32' });
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
  throw nonFinite(from, layer, place < 0 ? undefined : Math.floor(place / (scales.length / outFeatures)));
}

function nonFinite(from: string, layer: string, row: number | undefined): InputError {
  return new InputError(
    `${from}: ${layer}.weight${row === undefined ? '' : `, row ${row}`} holds NaN or infinity, or weights too large for 16-bit scales; ` +
      'the weights are damaged: download or convert them again.',
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
