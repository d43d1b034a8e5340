/** `xinghe export`: a model as an ONNX graph. */
import {
  DEFAULT_OPSET,
  EXPORT_DTYPES,
  type ExportReport,
  exportOnnx,
  NEWEST_OPSET,
  OLDEST_OPSET,
} from '../export/index.js';
import { withLockedOutput } from '../formats/index.js';
import { formatBytes, log } from '../log/index.js';
import { prepareRuntime } from '../tensor/index.js';
import { parseOptions } from './options.js';

const specs = {
  model: {
    kind: 'string',
    value: 'PATH',
    required: true,
    help: 'a model folder or weight file, in any container',
  },
  to: { kind: 'string', required: true, allowedValues: ['onnx'], help: 'the form' },
  output: { kind: 'string', value: 'DIR', required: true, help: 'a new folder' },
  dtype: {
    kind: 'string',
    allowedValues: EXPORT_DTYPES,
    help: 'of weights, products and cache; int8: matrices as integers, all else float32. Default float32',
  },
  opset: {
    kind: 'integer',
    min: 1,
    help: `version of ONNX's operators, ${OLDEST_OPSET} to ${NEWEST_OPSET}; default ${DEFAULT_OPSET}`,
  },
  'context-length': {
    kind: 'integer',
    min: 1,
    help: 'tokens of the longest text; default: what the config names',
  },
  'external-data': {
    kind: 'flag',
    help: 'the weights as a file beside the graph, as is done anyway from 2 GB on',
  },
  'browser-runtime': {
    kind: 'string',
    value: 'DIR',
    help: 'the package onnxruntime-web, unpacked: its files for the page chat.html; default: put them into ort/ later',
  },
  config: { kind: 'string', value: 'FILE', help: 'a config that does not lie beside the weights' },
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
  overwrite: { kind: 'flag', help: 'exchange what stands at --output, once the new one is whole' },
  json: { kind: 'flag', help: 'print the report as JSON on stdout' },
} as const;

export async function exportModel(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    {
      command: 'xinghe export',
      summary: 'a model as an ONNX graph for onnxruntime, in programs, on devices and in browsers',
      notes:
        'One graph for the prompt and for each token after it, made by running the model on tensors without memory; config and\n' +
        'tokenizer lie beside it. docs/export.md says how it is run.',
    },
    specs,
    args,
  );
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  const report = await withLockedOutput(options.output, () =>
    exportOnnx({
      model: options.model,
      output: options.output,
      dtype: options.dtype,
      opset: options.opset,
      config: options.config,
      contextLength: options['context-length'],
      externalData: options['external-data'],
      browserRuntime: options['browser-runtime'],
      replace: options.overwrite,
    }),
  );
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else describe(report);
  return 0;
}

function describe({
  output,
  family,
  files,
  nodes,
  bytes,
  contextLength,
  opset,
  limits,
  seconds,
}: ExportReport): void {
  log(
    `${output}: ${family}, ${files.join(' and ')}: ${nodes} nodes of opset ${opset}, ${formatBytes(bytes)} of weights, texts up to ` +
      `${contextLength} tokens; ${seconds.toFixed(1)} s`,
  );
  for (const limit of limits) log(`${output}: ${limit}`);
}
