/** `xinghe forward`: logits, and on request loss and gradients, of given ids: the way to compare with others. */

import { publishedName } from '../checkpoint/index.js';
import { readIdsFile } from '../data/index.js';
import { InputError } from '../errors/index.js';
import { type TensorInput, withLockedOutput, writeSafetensors } from '../formats/index.js';
import { log } from '../log/index.js';
import { checkFiniteLogits, type LoadedModel, reportNonFiniteWeights } from '../models/index.js';
import { intTensor, noGrad, scope, type Tensor } from '../tensor/index.js';
import { accumulateGradients, GradientStore, readsLastToken, trainingBatch } from '../training/index.js';
import { placed } from './hub-options.js';
import { exactIntegerOptions, loadModelByOptions, modelOptions } from './model-options.js';
import { type OptionValues, parseOptions } from './options.js';
import { withInputPath } from './standard-input.js';

const specs = {
  ...modelOptions,
  ...exactIntegerOptions,
  input: {
    kind: 'string',
    value: 'IDS.json',
    required: true,
    help: '{"input_ids": [[…]], "attention_mask"?, "loss_mask"?}; - reads stdin',
  },
  output: { kind: 'string', value: 'OUT.safetensors', required: true, help: 'where the tensors go' },
  positions: { kind: 'string', value: 'last:K', help: 'logits of the last K positions only' },
  gradients: { kind: 'flag', help: 'also loss and grad.<published tensor name>' },
  json: { kind: 'flag', help: 'print a summary as JSON on stdout' },
} as const;

type ForwardOptions = OptionValues<typeof specs>;

export async function forward(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe forward',
        summary: 'logits of given ids as safetensors; with --gradients the loss and its gradients',
        notes:
          'logits [B, T, V] are float32 (float64 with --dtype float64). The loss shifts targets by one, weights them ' +
          'by loss_mask of the target and divides by its sum; with --adapter there are gradients of its matrices too.',
      },
      specs,
      args,
    ),
  );
  const summary = await withLockedOutput(options.output, () =>
    withInputPath(options.input, (input) => computeByOptions({ ...options, input })),
  );
  if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else
    log(
      `wrote ${summary.output}: logits [${summary.logits.join(', ')}]${summary.loss === undefined ? '' : `, loss ${summary.loss}`}`,
    );
  return 0;
}

interface ForwardSummary {
  readonly output: string;
  readonly logits: readonly number[];
  readonly loss?: number;
}

function computeByOptions(options: ForwardOptions): ForwardSummary {
  const lastPositions = parsePositions(options.positions);
  const loaded = loadModelByOptions(options, {
    keepIntegers: !options.gradients,
    integerActivations: options['integer-activations'] ?? 'none',
  });
  const { model, architecture } = loaded;
  const ids = readIdsFile(options.input, architecture.shape.vocabSize, true);
  if (options.gradients && ids.attentionMask?.flat().includes(0) === true)
    throw new InputError(`${options.input}: --gradients takes no padding; leave attention_mask away.`);

  return scope(() => {
    const inputIds = matrix(ids.inputIds, model.device);
    const attentionMask =
      ids.attentionMask === undefined ? undefined : matrix(ids.attentionMask, model.device);
    const logits = noGrad(() => model.forward(inputIds, { attentionMask, lastPositions }));
    reportNonFiniteWeights(loaded, options.model, () => checkFiniteLogits(logits, loaded));
    const outputs = [output('logits', logits.to(logits.dtype === 'float64' ? 'float64' : 'float32'))];
    let loss: number | undefined;
    if (options.gradients) {
      const lossMask = ids.lossMask ?? ids.inputIds.map((row) => row.map(() => 1));
      const found = gradients(loaded, inputIds, matrix(lossMask, model.device), options.input);
      loss = found.loss;
      outputs.push(...found.outputs);
    }
    writeSafetensors(options.output, outputs);
    return { output: options.output, logits: logits.shape, ...(loss === undefined ? {} : { loss }) };
  });
}

function gradients(
  { model, architecture }: LoadedModel,
  inputIds: Tensor,
  lossMask: Tensor,
  source: string,
): { loss: number; outputs: TensorInput[] } {
  const dtype = model.computeDType === 'float64' ? 'float64' : 'float32';
  const batch = trainingBatch(inputIds, lossMask.to(dtype), 'target', readsLastToken(model));
  const divisor = batch.weights.sum().item();
  if (!(divisor > 0)) throw new InputError(`${source}: loss_mask leaves no token to learn.`);
  const store = new GradientStore(new Map(model.namedParameters()));
  const loss = accumulateGradients(model, batch, 1 / divisor, store);
  const outputs = model.namedParameters().flatMap(([path]) => {
    const gradient = store.get(path);
    return gradient === undefined
      ? []
      : [output(`grad.${publishedName(architecture.names, path)}`, gradient)];
  });
  const lossOutput: TensorInput = {
    name: 'loss',
    dtype,
    shape: [],
    bytes: () => new Uint8Array((dtype === 'float64' ? Float64Array : Float32Array).of(loss).buffer),
  };
  return { loss, outputs: [lossOutput, ...outputs] };
}

function output(name: string, tensor: Tensor): TensorInput {
  return { name, dtype: tensor.dtype, shape: tensor.shape, bytes: () => tensor.toBytes() };
}

function matrix(rows: readonly (readonly number[])[], device: string): Tensor {
  return intTensor(rows.flat(), [rows.length, rows[0]?.length ?? 0], { device });
}

function parsePositions(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = /^last:([1-9]\d*)$/.exec(text)?.[1];
  if (count === undefined)
    throw new InputError(`xinghe forward: --positions is "${text}"; give last:K, e.g. last:8`);
  return Number(count);
}
