/** The options of `xinghe plan`. */
import { PRECISIONS } from '../../training/index.js';
import { hubOptions } from '../hub-options.js';
import type { OptionValues } from '../options.js';

export const planSpecs = {
  config: { kind: 'string', value: 'FILE', help: 'the configuration of a run, as xinghe train takes it' },
  set: { kind: 'strings', value: 'key=value…', help: 'override any key of it' },
  ...hubOptions,
  model: {
    kind: 'string',
    value: 'DIR',
    place: 'model',
    help: 'or a model folder or weight file; its config, and how it keeps its weights, are read',
  },
  'config-json': {
    kind: 'string',
    value: 'FILE',
    help: "or a model's config file alone; with --config in the place of weights that are not here",
  },
  for: {
    kind: 'string',
    allowedValues: ['training', 'generation'],
    help: 'what the model is to do; default training',
  },
  'sequence-length': {
    kind: 'integer',
    min: 1,
    help: 'predictions in a row, or tokens of a text with its answer; default 1024',
  },
  quantize: {
    kind: 'string',
    allowedValues: ['int8', 'int4'],
    help: 'as if the model were quantised to these first; in training it is the base of adapters',
  },
  'group-size': {
    kind: 'string',
    value: '32|64|128|row',
    help: 'of --quantize: inputs that share a scale; default the largest that divides all layers',
  },
  ends: {
    kind: 'string',
    allowedValues: ['int8', 'int4'],
    help: 'of --quantize: embedding and output projection, too',
  },
  dtype: {
    kind: 'string',
    allowedValues: ['float32', 'float64', 'bfloat16', 'float16'],
    help: 'generation: of the floats; default: that of the weights, or of the config',
  },
  'max-sequences': { kind: 'integer', min: 1, help: 'generation: texts at the same time; default 1' },
  'max-batch-tokens': { kind: 'integer', min: 1, help: 'generation: tokens of a step; default 512' },
  'kv-dtype': {
    kind: 'string',
    allowedValues: ['auto', 'int8'],
    help: 'generation: int8 pages take about half; default auto',
  },
  'micro-batch-size': { kind: 'integer', min: 1, help: 'rows; default 4' },
  'gradient-accumulation-steps': { kind: 'integer', min: 1, help: 'micro-batches of a step; default 1' },
  precision: { kind: 'string', allowedValues: PRECISIONS, help: 'training: default float32' },
  recompute: { kind: 'string', value: 'none|full|N', help: 'all blocks again, or every N-th; default none' },
  'lora-rank': { kind: 'integer', min: 1, help: 'train adapters of this rank instead of the weights' },
  'lora-target': {
    kind: 'strings',
    value: 'NAME…',
    help: 'parts of names of the adapted layers; default: all of the blocks',
  },
  'offload-optimizer': { kind: 'flag', help: 'masters and moments in host memory beside an accelerator' },
  'cache-tokens': {
    kind: 'integer',
    min: 1,
    help: 'training: tokens of the KV cache that a sequence of the model would take; default: the length',
  },
  'peak-gflops': { kind: 'number', min: 0, help: 'speed of matrix products; default: measured here' },
  'memory-gb': { kind: 'number', min: 0, help: 'memory to fit into; default: what is free here' },
  parallel: {
    kind: 'strings',
    value: 'key=value…',
    help: 'how ranks share it, as the parallel section: data, zero, tensor, sequence, pipeline, schedule, chunks, context',
  },
  layout: {
    kind: 'string',
    allowedValues: ['auto'],
    help: 'list what --devices can share the run as, the fastest that fits first',
  },
  trial: {
    kind: 'integer',
    min: 1,
    value: 'N',
    help: '--layout auto: run the N best of them for some steps here, and take the fastest that was measured; needs --config',
  },
  'trial-steps': { kind: 'integer', min: 2, help: 'steps of each; the first does not count; default 4' },
  devices: {
    kind: 'integer',
    min: 1,
    value: 'N',
    help: 'ranks; default: as parallel of the configuration says, else 1',
  },
  'device-memory': { kind: 'string', value: 'SIZE', help: 'of each device, e.g. 64GB; default: --memory-gb' },
  bandwidth: {
    kind: 'string',
    value: 'SIZE',
    help: 'a second, from rank to rank, e.g. 25GB; default: sending takes no time',
  },
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
  json: { kind: 'flag', help: 'print the plan as JSON on stdout' },
} as const;

export type PlanCliOptions = OptionValues<typeof planSpecs>;
