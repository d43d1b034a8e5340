/** The form of each layer: the same for all, or by a number of bytes and what each loses. */
import { InputError } from '../../errors/index.js';
import { viewBytes } from '../../formats/index.js';
import { formatBytes } from '../../log/index.js';
import { chooseLevels, smallestBytes } from './choose-levels.js';
import type { FinishedBlocks } from './finished-blocks.js';
import { type FormOfLayers, formFault, type IntegerFileForm, integerBytes } from './integer-files.js';
import { type MeasuredPart, measureLosses } from './measure-losses.js';
import type { BlockPlan, QuantizationPlan, QuantizedWeight } from './plan-files.js';
import { roundingRule } from './quantization-recipe.js';
import type { QuantizeOptions } from './quantize-options.js';
import type { StreamedModel } from './streamed-model.js';

/** By the published name of a layer: its form, or float. */
export type LayerForms = ReadonlyMap<string, IntegerFileForm | 'float'>;

/** Of a calibration: a part is measured on so many windows. */
const MEASURED_WINDOWS = 4;

/** Forms that a layer may have, from the smallest on, and last none. */
function levelsOf(form: IntegerFileForm, shape: QuantizedWeight['shape']): (IntegerFileForm | 'float')[] {
  const forms: IntegerFileForm[] = [form, { ...form, groupSize: 32 }, { ...form, bits: 8 }];
  const possible = forms.filter((each) => formFault(each, shape) === undefined);
  const distinct = possible.filter(
    ({ bits, groupSize }, index) =>
      possible.findIndex((other) => other.bits === bits && other.groupSize === groupSize) === index,
  );
  return [...distinct.toSorted((a, b) => integerBytes(a, shape) - integerBytes(b, shape)), 'float'];
}

/**
 * @param load a model to measure with
 * @throws InputError where no choice fits the bytes
 */
export function layerForms(
  options: QuantizeOptions,
  { blocks }: QuantizationPlan,
  form: IntegerFileForm,
  finished: FinishedBlocks,
  load: () => StreamedModel,
): LayerForms {
  const weights = blocks.flatMap(({ quantized }) => quantized);
  if (options.scheme !== 'auto')
    return new Map(
      weights.map(({ layer, isEnd }) => [
        layer,
        isEnd && options.ends !== undefined ? { ...form, bits: options.ends } : form,
      ]),
    );
  const { targetBytes: budget, calibration } = options;
  if (budget === undefined || calibration === undefined)
    throw new InputError(
      '--scheme auto needs --target-bytes, what all weights may take, and --calibration, a text to measure by.',
    );
  const parts = partsOf(weights, form);
  const plainBytes = blocks.flatMap(({ plain }) => plain).reduce((sum, { view }) => sum + viewBytes(view), 0);
  const sized = parts.map(({ members, levels }) =>
    levels.map((level) => members.reduce((sum, weight) => sum + bytesOf(weight, level), 0)),
  );
  const smallest =
    plainBytes +
    smallestBytes(sized.map((sizes) => ({ levels: sizes.map((bytes) => ({ bytes, loss: 0 })) })));
  if (smallest > budget)
    throw new InputError(
      `--target-bytes ${budget}: the least that these forms take is ${smallest} (${formatBytes(smallest)}), ${plainBytes} of it weights ` +
        'that stay floats; allow more, or larger groups (--group-size 128, or row).',
    );
  const losses = finished.remember('losses', () => {
    const measured: MeasuredPart[] = parts.map(({ path, levels }) => ({
      path,
      rules: levels.flatMap((level) => (level === 'float' ? [] : [roundingRule(level, options)])),
    }));
    return Object.fromEntries(measureLosses(load(), calibration.slice(0, MEASURED_WINDOWS), measured));
  });
  const choices = parts.map(({ path, levels }, part) => ({
    levels: levels.map((level, place) => ({
      bytes: sized[part]?.[place] ?? 0,
      loss: level === 'float' ? 0 : (losses[path]?.[place] ?? 0),
    })),
  }));
  const chosen = chooseLevels(choices, budget - plainBytes) ?? [];
  return new Map(
    parts.flatMap(({ members, levels }, part) =>
      members.map(({ layer }) => [layer, levels[chosen[part] ?? 0] ?? form] as const),
    ),
  );
}

interface Part {
  /** Own path: all experts of a matrix are one part. */
  readonly path: string;
  readonly members: readonly QuantizedWeight[];
  readonly levels: readonly (IntegerFileForm | 'float')[];
}

function partsOf(weights: readonly QuantizedWeight[], form: IntegerFileForm): Part[] {
  const members = new Map<string, QuantizedWeight[]>();
  for (const weight of weights) members.set(weight.path, [...(members.get(weight.path) ?? []), weight]);
  return [...members].map(([path, own]) => ({
    path,
    members: own,
    levels: levelsOf(form, own[0]?.shape ?? [0, 0]),
  }));
}

function bytesOf({ shape, view }: QuantizedWeight, level: IntegerFileForm | 'float'): number {
  return level === 'float' ? viewBytes(view) : integerBytes(level, shape);
}

/** The plan with those weights that are to stay floats. */
export function withFloats(plan: QuantizationPlan, forms: LayerForms): QuantizationPlan {
  const isFloat = ({ layer }: QuantizedWeight): boolean => forms.get(layer) === 'float';
  const split = new Map(
    plan.blocks.map((block): [BlockPlan, BlockPlan] => [
      block,
      {
        ...block,
        quantized: block.quantized.filter((weight) => !isFloat(weight)),
        plain: [
          ...block.plain,
          ...block.quantized
            .filter(isFloat)
            .map(({ layer, path, view }) => ({ name: `${layer}.weight`, path: `${path}.weight`, view })),
        ],
      },
    ]),
  );
  const floats = plan.blocks.flatMap(({ quantized }) => quantized.filter(isFloat).map(({ layer }) => layer));
  return {
    blocks: plan.blocks.map((block) => split.get(block) ?? block),
    files: plan.files.map((file) => file.map((block) => split.get(block) ?? block)),
    kept: [...plan.kept, ...floats],
  };
}

/** Layers of other forms than most, for the config. */
export function otherForms(form: IntegerFileForm, forms: LayerForms): FormOfLayers[] {
  const found = new Map<string, { form: IntegerFileForm; layers: string[] }>();
  for (const [layer, own] of forms) {
    if (
      own === 'float' ||
      (own.bits === form.bits && own.groupSize === form.groupSize && !layer.includes('embed'))
    )
      continue;
    const key = `${own.bits} ${own.groupSize}`;
    const group = found.get(key) ?? { form: own, layers: [] };
    group.layers.push(layer);
    found.set(key, group);
  }
  return [...found.values()];
}
