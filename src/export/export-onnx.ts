/**
 * Models as ONNX graphs that onnxruntime, onnxruntime-genai, optimum and transformers.js run: one graph for the prompt and for each
 * token after it, with keys and values of earlier tokens going in and out.
 *
 * 1. A family's own forward pass runs on tensors without memory (`meta`) while every operator that it calls is written down
 *    (`observeCalls` in src/tensor). There is no second copy of any model.
 * 2. It runs four times, with batch, new tokens and cached tokens of other prime sizes. A number that differs between the runs is
 *    `factor * product of sizes + offset`: that is how sizes stay open in the graph (trace/dimension.ts).
 * 3. What the graph needs beyond the blocks is a `ForwardContext` like any other: cached keys are joined with the new ones, the mask is
 *    made of attention_mask, rotations are rows of tables by position_ids (trace/cached-context.ts, trace/rotation-tables.ts).
 * 4. Each operator has an entry in a table that makes ONNX nodes for it (onnx/operators/). One without an entry is refused by name,
 *    before anything is written.
 * 5. Weights are no part of the trace: they stay in their files and are brought piece by piece, turned over, cast or as int8, when the
 *    graph is written (onnx/weight-store.ts).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { productVersion } from '../config/index.js';
import { InputError } from '../errors/index.js';
import {
  ONNX_MESSAGE_LIMIT,
  type OnnxModel,
  onnxConstantBytes,
  writeFolderAtomic,
  writeOnnxModel,
} from '../formats/index.js';
import { Progress } from '../log/index.js';
import { type Architecture, type CausalLm, type LoadedModel, loadModel } from '../models/index.js';
import type { FloatDType, Tensor } from '../tensor/index.js';
import {
  DEFAULT_OPSET,
  type ExportDType,
  type ExportOnnxOptions,
  type ExportReport,
  NEWEST_OPSET,
  OLDEST_OPSET,
} from './export-options.js';
import { GraphBuilder } from './onnx/graph-builder.js';
import { translateGraph } from './onnx/translate-graph.js';
import { NoOnnxForm } from './onnx/translation.js';
import { WeightStore } from './onnx/weight-store.js';
import { writeChatPage } from './page/chat-page.js';
import { writeRuntimeFiles } from './runtime-files.js';
import { type RotationTables, rotationTables } from './trace/rotation-tables.js';
import { rotationTensors, traceModel, WEIGHT_PREFIX } from './trace/trace-model.js';

/**
 * Writes a folder with graph, config and tokenizer, whole or not at all.
 * @throws InputError for what cannot be read or written, for a reward model, an opset that is not known, an operator without a form
 * in ONNX, a text longer than the model takes
 */
export async function exportOnnx(options: ExportOnnxOptions): Promise<ExportReport> {
  const started = performance.now();
  const { model: path, dtype = 'float32', opset = DEFAULT_OPSET, config } = options;
  if (!Number.isInteger(opset) || opset < OLDEST_OPSET || opset > NEWEST_OPSET)
    throw new InputError(`opset ${opset}: give one from ${OLDEST_OPSET} to ${NEWEST_OPSET}.`);
  const loaded = loadModel(path, { configPath: config });
  try {
    const plan = planGraph(loaded, { ...options, dtype, opset });
    const { files, noPage } = await writeFolderAtomic(
      options.output,
      (folder) => writeFolder(folder, plan, options),
      {
        replace: options.replace === true,
      },
    );
    return {
      output: options.output,
      family: loaded.architecture.family,
      dtype,
      opset,
      files,
      nodes: plan.graph.nodes.length,
      parameters: loaded.model.parameterCount(),
      bytes: onnxConstantBytes(plan.graph),
      contextLength: plan.tables.positions,
      limits: limitsOf(plan.tables, noPage),
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    loaded.model.dispose();
  }
}

interface GraphPlan {
  readonly graph: OnnxModel;
  readonly tables: RotationTables;
  readonly architecture: Architecture;
  readonly dtype: ExportDType;
  readonly maskedTokenId: number | undefined;
}

function planGraph(
  { model, architecture }: LoadedModel,
  { model: path, dtype, opset, contextLength }: ExportOnnxOptions & { dtype: ExportDType; opset: number },
): GraphPlan {
  const compute = dtype === 'float16' ? 'float16' : 'float32';
  const tables = rotationTables(model, longestText(model, path, contextLength), compute);
  const traced = withoutMemory(architecture, compute);
  const tensors = new Map<string, Tensor>([
    ...model.namedParameters().map(([name, tensor]): [string, Tensor] => [WEIGHT_PREFIX + name, tensor]),
    ...rotationTensors(tables),
  ]);
  const builder = new GraphBuilder(opset);
  const weights = new WeightStore(tensors, builder, {
    dtype: compute,
    isInt8: (name) =>
      dtype === 'int8' && name.startsWith(WEIGHT_PREFIX) && (tensors.get(name)?.numDims ?? 0) > 1,
  });
  try {
    const graph = translateGraph(traceModel(traced, tables, compute), builder, weights);
    return {
      graph: { ...graph, ...describe(architecture, opset, tables) },
      tables,
      architecture,
      dtype,
      maskedTokenId: model.maskedTokenId,
    };
  } catch (error) {
    if (!(error instanceof NoOnnxForm)) throw error;
    throw new InputError(
      `${path}: ${error.message} of this ${architecture.family} model has no form in ONNX here; nothing was written. ` +
        'GGUF (xinghe convert --to FILE.gguf) or the server (xinghe serve) may do instead.',
    );
  }
}

function describe(architecture: Architecture, opset: number, { positions }: RotationTables) {
  return {
    producer: { name: 'xinghe', version: productVersion() },
    graphName: architecture.family,
    opsets: { '': opset },
    metadata: { family: architecture.family, context_length: `${positions}` },
  };
}

/** The model as its config describes it, of shapes only. */
function withoutMemory(architecture: Architecture, dtype: FloatDType): CausalLm {
  return architecture.createModel().to({ dtype });
}

function longestText({ shape }: CausalLm, path: string, wanted: number | undefined): number {
  const { maxPositions, contextLength } = shape;
  if (wanted === undefined) return maxPositions ?? contextLength;
  if (maxPositions === undefined || wanted <= maxPositions) return wanted;
  throw new InputError(`${path}: a context of ${wanted} tokens; this model takes ${maxPositions} at most.`);
}

function limitsOf({ limit, positions }: RotationTables, noPage: string | undefined): string[] {
  return [
    ...(limit === undefined ? [] : [`texts end at ${positions} tokens: ${limit}`]),
    ...(noPage === undefined ? [] : [`no page to chat in a browser was written: ${noPage}`]),
  ];
}

/** As transformers.js names the graph by its dtype. */
function graphName(dtype: ExportDType): string {
  switch (dtype) {
    case 'float32':
      return 'model.onnx';
    case 'float16':
      return 'model_fp16.onnx';
    case 'int8':
      return 'model_int8.onnx';
    default:
      return dtype satisfies never;
  }
}

const GRAPH_FOLDER = 'onnx';
/** What a graph of some thousand nodes takes besides its constants, amply. */
const GRAPH_ROOM = 2 ** 26;

/** Of less the progress is not worth a line. */
const SHOWN_FROM = 2 ** 26;

function writeFolder(
  folder: string,
  { graph, architecture, tables, dtype, maskedTokenId }: GraphPlan,
  { model, config, externalData, browserRuntime }: ExportOnnxOptions,
): { files: string[]; noPage: string | undefined } {
  const bytes = onnxConstantBytes(graph);
  const name = graphName(dtype);
  const isOutside = externalData === true || bytes > ONNX_MESSAGE_LIMIT - GRAPH_ROOM;
  const data = isOutside ? `${name}_data` : undefined;
  const graphs = join(folder, GRAPH_FOLDER);
  mkdirSync(graphs);
  const progress =
    bytes < SHOWN_FROM ? undefined : new Progress({ label: 'export', total: bytes, unit: 'byte' });
  let done = 0;
  writeOnnxModel(join(graphs, name), graph, (file) => join(graphs, file), {
    externalData: data,
    onBytes: (count) => {
      done += count;
      progress?.update(done);
    },
  });
  progress?.finish();
  const files = [name, ...(data === undefined ? [] : [data])].map((file) => `${GRAPH_FOLDER}/${file}`);
  const about = { model, architecture, files, dtype, contextLength: tables.positions, maskedTokenId };
  writeRuntimeFiles(folder, { ...about, config });
  const noPage = writeChatPage(folder, { ...about, browserRuntime });
  return { files, noPage };
}
