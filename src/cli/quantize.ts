/** `xinghe quantize`: a model with the weights of its blocks as integers of 8 or 4 bits. */
import { withLockedOutput } from '../formats/index.js';
import { formatBytes, log, Progress } from '../log/index.js';
import {
  QUANTIZATION_FORMS,
  QUANTIZATION_SCHEMES,
  type QuantizationReport,
  type QuantizeOptions,
  quantizeModel,
} from '../models/index.js';
import { prepareRuntime } from '../tensor/index.js';
import { parseGroupSize } from './group-size.js';
import { hubOptions, placed } from './hub-options.js';
import { parseOptions } from './options.js';
import { readTextWindows } from './text-windows.js';

const specs = {
  model: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    required: true,
    help: 'a model folder or weight file, in any container',
  },
  ...hubOptions,
  output: { kind: 'string', value: 'DIR', required: true, help: 'a new folder' },
  to: { kind: 'string', required: true, allowedValues: ['int8', 'int4'], help: 'integers of so many bits' },
  scheme: {
    kind: 'string',
    allowedValues: QUANTIZATION_SCHEMES,
    help:
      "published: XVERSE's quantize(8 | 4), a scale for each row; rtn: the nearest integers of groups; gptq: those that change the " +
      'outputs of a calibration least; awq: the nearest integers of weights that are scaled by what they are multiplied with; auto: as gptq, with as many bits for each layer as --target-bytes has for it',
  },
  'target-bytes': {
    kind: 'integer',
    min: 1,
    help: 'auto: what all weights of the folder may take; 4, 8 or all bits for each layer, by what the text loses',
  },
  ends: {
    kind: 'string',
    allowedValues: ['int8', 'int4'],
    help: 'embedding and output projection as integers, too; others may not read an embedding of integers',
  },
  'group-size': {
    kind: 'string',
    value: '32|64|128|row',
    help: 'inputs that share a scale; default the largest that divides all layers, published: row',
  },
  symmetric: { kind: 'flag', help: 'rtn: no zero points, the range reaches as far on both sides' },
  'search-range': {
    kind: 'flag',
    help: 'rtn: narrow the range of a group where that makes its squared error less',
  },
  recipe: {
    kind: 'string',
    allowedValues: ['best', 'published'],
    help: "gptq: best (default) scales the weights first and follows the full model; published: AutoGPTQ's integers alone",
  },
  form: {
    kind: 'string',
    allowedValues: QUANTIZATION_FORMS,
    help: 'how files keep the integers; transformers and vLLM read each; default compressed-tensors',
  },
  keep: {
    kind: 'string',
    value: 'NAME,…',
    help: 'layers that stay floats: all whose published name holds one of these',
  },
  calibration: {
    kind: 'string',
    value: 'FILE',
    help: 'records with "text", or {"input_ids": [[…]]}: what gptq and awq round by; gptq is the default scheme then',
  },
  'calibration-tokens': {
    kind: 'integer',
    min: 1,
    help: 'of them at most, in windows of 512; default 16384',
  },
  measure: {
    kind: 'string',
    value: 'FILE',
    help: 'likewise: perplexity, divergence from the full model and agreement on it go into the report',
  },
  'measure-tokens': { kind: 'integer', min: 1, help: 'of them at most, in windows of 512; default 2048' },
  config: { kind: 'string', value: 'FILE', help: 'a config that does not lie beside the weights' },
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
  overwrite: { kind: 'flag', help: 'exchange what stands at --output, once the new one is whole' },
  json: { kind: 'flag', help: 'print the report as JSON on stdout' },
} as const;

export async function quantize(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe quantize',
        summary: "the weights of a model's blocks as integers of 8 or 4 bits",
        notes:
          'Norms stay as they are, and so do embedding and output projection without --ends. The folder loads like any other: forward, generate, chat, serve,\n' +
          'evaluate and LoRA training multiply with the integers. quantization_report.md in it says what each layer lost.',
      },
      specs,
      args,
    ),
  );
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  const windowsOf = async (file: string | undefined, tokens: number): Promise<number[][] | undefined> =>
    file === undefined
      ? undefined
      : readTextWindows(file, {
          ...{ model: options.model, config: options.config, length: WINDOW, tokens },
        });
  let progress: Progress | undefined;
  const request: QuantizeOptions = {
    from: options.model,
    to: options.output,
    bits: options.to === 'int8' ? 8 : 4,
    scheme: options.scheme,
    groupSize: parseGroupSize('xinghe quantize', options['group-size']),
    isSymmetric: options.symmetric,
    searchRange: options['search-range'],
    recipe: options.recipe,
    targetBytes: options['target-bytes'],
    ends: options.ends === undefined ? undefined : options.ends === 'int8' ? 8 : 4,
    form: options.form,
    keep: options.keep?.split(',').filter((name) => name !== ''),
    configPath: options.config,
    replace: options.overwrite,
    calibration: await windowsOf(options.calibration, options['calibration-tokens'] ?? 16_384),
    measured: await windowsOf(options.measure, options['measure-tokens'] ?? 2048),
    onProgress(done, total) {
      progress ??= new Progress({ label: 'quantize', unit: 'layer', total });
      progress.update(done);
      if (done === total) progress.finish();
    },
  };
  const report = await withLockedOutput(options.output, () => quantizeModel(request));
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else log(summary(report, options.output));
  return 0;
}

/** Tokens that are read together. */
const WINDOW = 512;

function summary(
  { layers, bytes, sourceBytes, seconds, comparison }: QuantizationReport,
  output: string,
): string {
  const worst = layers.reduce((most, layer) => (layer.relativeError > most.relativeError ? layer : most));
  const bits = layers.reduce((sum, { bitsPerWeight }) => sum + bitsPerWeight, 0) / layers.length;
  const measured =
    comparison === undefined
      ? ''
      : `; perplexity ${comparison.fullPerplexity.toFixed(2)} -> ${comparison.perplexity.toFixed(2)}, divergence ${comparison.divergence.toFixed(4)} nats`;
  return (
    `${output}: ${layers.length} layers, ${bits.toFixed(2)} bits a weight; ${formatBytes(sourceBytes)} -> ${formatBytes(bytes)} in ` +
    `${seconds.toFixed(1)} s${measured}. Largest relative squared error ${worst.relativeError.toExponential(1)}, in ${worst.name}`
  );
}
