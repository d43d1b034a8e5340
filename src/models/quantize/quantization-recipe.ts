/** What a scheme does to each matrix: how its range is taken, how it is rounded, and what a calibration is used for. */

import { InputError } from '../../errors/index.js';
import type { RoundingRule } from '../../quantization/index.js';
import type { CalibrationRule, MatrixRule } from './block-calibration.js';
import type { IntegerFileForm } from './integer-files.js';
import type { QuantizationScheme, QuantizeOptions } from './quantize-options.js';

/** Of what the quantised blocks before have changed, so much is made good in each weight; measured in docs/log.md. */
const CORRECTION = 0.5;

/** @throws InputError for a scheme that needs a calibration and has none */
export function schemeOf({ scheme, calibration }: QuantizeOptions): QuantizationScheme {
  if ((scheme === 'gptq' || scheme === 'awq' || scheme === 'auto') && calibration === undefined)
    throw new InputError(
      `${scheme} rounds by what a text gives: name one with --calibration, or choose --scheme rtn.`,
    );
  return scheme ?? (calibration === undefined ? 'rtn' : 'gptq');
}

/** Of a weight by itself: also of an expert that no token of a calibration reached. */
export function roundingRule(form: IntegerFileForm, options: QuantizeOptions): RoundingRule {
  const { bits, groupSize, scaleDType, isSymmetric } = form;
  const scheme = schemeOf(options);
  if (scheme === 'published') return { bits, groupSize, range: 'published' };
  return {
    ...{ bits, groupSize, scaleDType, searchRange: options.searchRange },
    range: isSymmetric ? 'symmetric' : scheme === 'awq' ? 'awq' : 'asymmetric',
  };
}

/**
 * undefined where no calibration is used.
 * @param formOf a layer's, by own path and expert; undefined: it stays as it is
 */
export function calibrationRule(
  options: QuantizeOptions,
  form: IntegerFileForm,
  formOf: (path: string, expert: number | undefined) => IntegerFileForm | undefined,
): CalibrationRule | undefined {
  const scheme = schemeOf(options);
  if (scheme === 'published' || scheme === 'rtn') return undefined;
  const isGptq = scheme !== 'awq';
  const isPublished = options.recipe === 'published';
  const { actOrder = true } = options;
  const matrixRule = (path: string, expert: number | undefined): MatrixRule | undefined => {
    const own = formOf(path, expert);
    if (own === undefined) return undefined;
    const { bits, groupSize, isSymmetric, scaleDType } = own;
    return {
      rounding: roundingRule(own, options),
      // Groups of neighbours: each form has a place for them, and files are read faster.
      gptq: isGptq ? { bits, groupSize, isSymmetric, actOrder, staticGroups: true, scaleDType } : undefined,
    };
  };
  return {
    ...{ matrixRule, usesGptq: isGptq },
    scales:
      isGptq && isPublished
        ? undefined
        : {
            rounding: roundingRule(form, options),
            judge: isGptq ? 'matrix' : 'module',
            clips: !isGptq,
          },
    correction: isGptq && !isPublished ? CORRECTION : 0,
  };
}
