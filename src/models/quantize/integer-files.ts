/** Integers of a layer as tensors of a file, in the forms that transformers, vLLM and GPTQModel read, and what a config says of them. */
import {
  type FileDtype,
  type IntegerMatrix,
  packAwq,
  packGptq,
  packPackedRows,
  type TensorInput,
} from '../../formats/index.js';
import { floatTensor, scope } from '../../tensor/index.js';
import type { QuantizationForm } from './quantize-options.js';

export interface IntegerFileForm {
  readonly form: QuantizationForm;
  readonly bits: 4 | 8;
  /** undefined: all of a row. */
  readonly groupSize: number | undefined;
  readonly isSymmetric: boolean;
  readonly scaleDType: 'float32' | 'float16' | 'bfloat16';
}

/** Why a layer of this size cannot be kept in a form; undefined where it can. */
export function formFault(
  { form, bits, groupSize }: IntegerFileForm,
  [outFeatures, inFeatures]: readonly [number, number],
): string | undefined {
  const isWhole = groupSize === undefined || inFeatures % groupSize === 0;
  switch (form) {
    case 'compressed-tensors':
      return isWhole ? undefined : `groups of ${groupSize} do not divide its ${inFeatures} inputs`;
    case 'gptq':
      return inFeatures % 32 === 0 && outFeatures % 32 === 0
        ? undefined
        : `GPTQ packs multiples of 32, and it has ${inFeatures} inputs and ${outFeatures} outputs`;
    case 'awq':
      if (bits !== 4) return 'AWQ has four bits only';
      if (outFeatures % 8 !== 0) return `AWQ packs multiples of 8 outputs, and it has ${outFeatures}`;
      return isWhole ? undefined : `groups of ${groupSize} do not divide its ${inFeatures} inputs`;
  }
}

/** @param layer published name of the layer, without `.weight` */
export function integerTensors(
  layer: string,
  matrix: IntegerMatrix,
  { form, bits, scaleDType }: IntegerFileForm,
): TensorInput[] {
  const { outFeatures, inFeatures } = matrix;
  const groups = matrix.scales.length / outFeatures;
  const tensor = (
    part: string,
    dtype: FileDtype,
    shape: readonly number[],
    values: ArrayBufferView,
  ): TensorInput => ({
    ...{ name: `${layer}.${part}`, dtype, shape },
    bytes: () => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
  const scalesOf = (part: string, shape: readonly number[], scales: Float32Array): TensorInput =>
    tensor(part, scaleDType, shape, narrowed(scales, scaleDType));
  switch (form) {
    case 'compressed-tensors': {
      const { packed, scales, zeroPoints } = packPackedRows(matrix);
      return [
        tensor('weight_packed', 'int32', [outFeatures, packed.length / outFeatures], packed),
        scalesOf('weight_scale', [outFeatures, groups], scales),
        tensor('weight_shape', 'int64', [2], BigInt64Array.of(BigInt(outFeatures), BigInt(inFeatures))),
        ...(zeroPoints === undefined
          ? []
          : [tensor('weight_zero_point', 'int32', [zeroPoints.length / groups, groups], zeroPoints)]),
      ];
    }
    case 'gptq': {
      const { qweight, qzeros, scales } = packGptq(matrix, gptqVersion(matrix));
      return [
        tensor('qweight', 'int32', [(inFeatures * bits) / 32, outFeatures], qweight),
        tensor('qzeros', 'int32', [groups, (outFeatures * bits) / 32], qzeros),
        scalesOf('scales', [groups, outFeatures], scales),
        tensor('g_idx', 'int32', [inFeatures], matrix.groups),
      ];
    }
    case 'awq': {
      const { qweight, qzeros, scales } = packAwq(matrix);
      return [
        tensor('qweight', 'int32', [inFeatures, outFeatures / 8], qweight),
        tensor('qzeros', 'int32', [groups, outFeatures / 8], qzeros),
        scalesOf('scales', [groups, outFeatures], scales),
      ];
    }
  }
}

/** Symmetric zero points may be stored less one; a zero point of 0 is read differently by different programs then. */
function gptqVersion({ bits, zeros }: IntegerMatrix): 1 | 2 {
  return zeros.every((zero) => zero === 2 ** (bits - 1)) ? 1 : 2;
}

function narrowed(scales: Float32Array, dtype: IntegerFileForm['scaleDType']): Uint8Array {
  return scope(() => floatTensor(scales).to(dtype).toBytes());
}

/** What a layer takes in a file, its share of scales and zero points with it. */
export function integerBytes(
  form: IntegerFileForm,
  [outFeatures, inFeatures]: readonly [number, number],
): number {
  const { bits, groupSize, scaleDType, isSymmetric } = form;
  const groups = groupSize === undefined ? 1 : Math.ceil(inFeatures / groupSize);
  const width = scaleDType === 'float32' ? 4 : 2;
  const zeros = form.form === 'compressed-tensors' && isSymmetric ? 0 : bits / 8;
  const others = form.form === 'gptq' ? 4 * inFeatures : form.form === 'awq' ? 0 : 16;
  return (outFeatures * inFeatures * bits) / 8 + outFeatures * groups * (width + zeros) + others;
}

/** The layers of one form. */
export interface FormOfLayers {
  readonly form: IntegerFileForm;
  readonly layers: readonly string[];
}

/**
 * `quantization_config` of a config.json.
 * @param others layers that are not of the form `form`, with their own
 * @param kept published names of linear layers that stay floats
 */
export function quantizationConfig(
  form: IntegerFileForm,
  others: readonly FormOfLayers[],
  kept: readonly string[],
): Record<string, unknown> {
  const { bits, groupSize, isSymmetric } = form;
  switch (form.form) {
    case 'compressed-tensors': {
      const groups = [
        { form, targets: ['Linear'] },
        ...others.map((each) => ({ form: each.form, targets: each.layers })),
      ];
      return {
        quant_method: 'compressed-tensors',
        format: 'pack-quantized',
        quantization_status: 'compressed',
        // Names are looked for before kinds.
        config_groups: Object.fromEntries(
          groups.map((group, index) => [`group_${index}`, compressedGroup(group.form, group.targets)]),
        ),
        ignore: kept,
        kv_cache_scheme: null,
      };
    }
    case 'gptq': {
      const dynamic = others.flatMap((each) =>
        each.layers.map((layer) => [
          `+:^${layer.replaceAll('.', '\\.')}$`,
          { bits: each.form.bits, group_size: each.form.groupSize ?? -1 },
        ]),
      );
      return {
        ...{ quant_method: 'gptq', bits, group_size: groupSize ?? -1, desc_act: false, sym: isSymmetric },
        ...{ checkpoint_format: isSymmetric ? 'gptq' : 'gptq_v2', pack_dtype: 'int32' },
        lm_head: others.some(({ layers }) => layers.some((layer) => layer.endsWith('lm_head'))),
        ...(dynamic.length === 0 ? {} : { dynamic: Object.fromEntries(dynamic) }),
        ...(kept.length === 0 ? {} : { modules_to_not_convert: kept }),
      };
    }
    case 'awq':
      return {
        ...{ quant_method: 'awq', bits, group_size: groupSize ?? -1, zero_point: true, version: 'gemm' },
        modules_to_not_convert: kept.length === 0 ? null : kept,
      };
  }
}

function compressedGroup(
  { bits, groupSize, isSymmetric }: IntegerFileForm,
  targets: readonly string[],
): Record<string, unknown> {
  return {
    targets,
    weights: {
      ...{ num_bits: bits, type: 'int', symmetric: isSymmetric, dynamic: false },
      ...(groupSize === undefined
        ? { strategy: 'channel', group_size: null }
        : { strategy: 'group', group_size: groupSize }),
    },
    input_activations: null,
    output_activations: null,
  };
}
