/** Memory and time of a run before it is started. */
import type { IntegerLayers } from '../../checkpoint/index.js';
import { type Architecture, rewardArchitecture } from '../../models/index.js';
import { type LossName, sequencesPerRow } from '../objective/objective-config.js';
import { adaptedBy } from './adapted-layers.js';
import { BYTES, type Precision } from './byte-table.js';
import { type Communication, communicationOf, sentBytes } from './communication.js';
import { flopsPerToken } from './flops.js';
import { partOfModel } from './part-of-model.js';
import {
  adapterElements,
  estimatePeakMemory,
  type LoraPlan,
  type PeakMemory,
  type PeakMemoryOptions,
} from './peak-memory.js';
import { type PlannedModel, plannedModel } from './planned-model.js';
import { type PlannedStage, plannedStages, segmentsOf, stageElements, stageText } from './planned-stage.js';
import { RANK_BYTES, RUNTIME_BYTES, STAGE_BYTES, VARYING_ROWS_BYTES } from './process-memory.js';
import { ALONE, type RankLayout, ranksOf } from './rank-layout.js';
import { pipelineSlowdown, stepSeconds } from './step-time.js';

export interface PlanOptions
  extends Omit<PeakMemoryOptions, 'lora' | 'splitsLogits' | 'teacher' | 'stage' | 'beginningElements'> {
  /** What is learned by. Default: cross-entropy. */
  readonly loss?: LossName | undefined;
  /** Of distillation, and bytes of its weights. */
  readonly teacher?: { readonly architecture: Architecture; readonly weightBytes: number } | undefined;
  readonly lora?: { readonly rank: number; readonly targets: readonly string[] } | undefined;
  /** What stays integers beside adapters, where one process trains them; others make floats of it. Default: nothing. */
  readonly integers?: IntegerLayers | undefined;
  /**
   * What a rank has in memory where a run begins, before ZeRO shares it out. whole: something is made of whole weights. part: its blocks and
   * its part of the matrices, random or cast. Default mapped: that stays in the files.
   */
  readonly beginning?: 'whole' | 'part' | 'mapped' | undefined;
  /** Tokens that one sequence of generation keeps in its cache. Default: length. */
  readonly cacheTokens?: number | undefined;
  /** Measured speed of matrix products; undefined: no times. */
  readonly peakFlopsPerSecond?: number | undefined;
  /** Do rows have lengths of their own? Default: all are as long as `length`. */
  readonly rowsVary?: boolean | undefined;
  /** Bytes a second from rank to rank; undefined: sending takes no time. */
  readonly bandwidth?: number | undefined;
  /** Resident memory of the process when the engine was started. */
  readonly startBytes: number;
}

/** A stage of the pipeline; where there is none, the whole run. */
export interface PlannedStageMemory {
  /** "embedding, blocks 1-3". */
  readonly parts: string;
  /** Elements of a rank's parameters. */
  readonly elements: number;
  /** What a rank sends in a step, bytes. */
  readonly communication: Communication;
  /** Of a rank. */
  readonly memory: PeakMemory;
  /** memory.total and that of the process. */
  readonly peakBytes: number;
}

export interface RunPlan {
  /** The whole of it. */
  readonly model: PlannedModel;
  readonly layout: RankLayout;
  readonly stages: readonly PlannedStageMemory[];
  /** The stage whose ranks take most. */
  readonly fullestStage: number;
  /** What a rank sends in a step at most, bytes. */
  readonly communication: Communication;
  /** Of a rank of the fullest stage. */
  readonly memory: PeakMemory;
  /** The program, libraries and their buffers. */
  readonly processBytes: number;
  /** memory.total and processBytes. */
  readonly peakBytes: number;
  /** Keys and values of one sequence in generation. */
  readonly cacheBytes: number;
  readonly trainedElements: number;
  readonly flopsPerToken: number;
  readonly tokensPerStep: number;
  readonly secondsPerStep: number | undefined;
}

/** What plans of one model have in common. */
export interface PlannedShapes {
  readonly whole: PlannedModel;
  /** Of one of so many ranks that share the matrices. */
  partOf(tensor: number): PlannedModel;
  adaptedBy(targets: readonly string[]): (path: string) => boolean;
}

/** The model has shapes only: nothing large is allocated. */
export function plannedShapes(
  given: Architecture,
  { loss, lora, layout = ALONE, integers }: Pick<PlanOptions, 'loss' | 'lora' | 'layout' | 'integers'>,
): PlannedShapes {
  const architecture = loss === 'reward' ? rewardArchitecture(given) : given;
  const shapesOnly = architecture.createModel();
  const staysIntegers = lora !== undefined && loss !== 'reward' && layout.tensor * layout.pipeline === 1;
  const whole = plannedModel(shapesOnly, staysIntegers ? integers : undefined);
  const parts = new Map<number, PlannedModel>();
  return {
    whole,
    partOf(tensor) {
      const part = parts.get(tensor) ?? partOfModel(whole, shapesOnly, architecture, tensor);
      parts.set(tensor, part);
      return part;
    },
    adaptedBy: (targets) => adaptedBy(shapesOnly, architecture.names, targets),
  };
}

export function planRun(given: Architecture, options: PlanOptions): RunPlan {
  return planShapes(plannedShapes(given, options), options);
}

/** As `planRun`, of shapes that several plans share. */
export function planShapes(
  { whole, partOf, adaptedBy: adaptedByTargets }: PlannedShapes,
  { microBatchSize: rows, ...options }: PlanOptions,
): RunPlan {
  const { loss, layout = ALONE, length, accumulation = 1, precision } = options;
  const model = partOf(layout.tensor);
  const microBatchSize = rows * sequencesPerRow(loss);
  const lora: LoraPlan | undefined =
    options.lora === undefined
      ? undefined
      : { rank: options.lora.rank, adapts: adaptedByTargets(options.lora.targets) };
  const adapters = lora === undefined ? undefined : adapterElements(whole, lora);
  const flops = flopsPerToken(whole, { length, adapterElements: adapters });
  const tokens = length * microBatchSize * accumulation * layout.data;
  const processBytes = processBytesOf(options, layout);
  const stages = stageMemories(model, whole, { ...options, microBatchSize }, lora).map((stage) => ({
    ...stage,
    peakBytes: stage.memory.total + processBytes,
  }));
  const [fullest, fullestStage] = greatest(stages, ({ peakBytes }) => peakBytes);
  const [{ communication }] = greatest(stages, (stage) => sentBytes(stage.communication));
  return {
    model: whole,
    layout,
    stages,
    fullestStage,
    communication,
    memory: fullest.memory,
    processBytes,
    peakBytes: fullest.peakBytes,
    cacheBytes: cacheBytes(model, precision, options.cacheTokens ?? length),
    trainedElements: adapters ?? whole.elements,
    flopsPerToken: flops,
    tokensPerStep: tokens,
    secondsPerStep: secondsOf(options, { flops, tokens, model, stages, communication }),
  };
}

function processBytesOf(
  { startBytes, rowsVary = false }: { startBytes: number; rowsVary?: boolean | undefined },
  layout: RankLayout,
): number {
  const rank = ranksOf(layout) === 1 ? 0 : layout.pipeline > 1 ? STAGE_BYTES : RANK_BYTES;
  return startBytes + RUNTIME_BYTES + (rowsVary ? VARYING_ROWS_BYTES : 0) + rank;
}

function stageMemories(
  model: PlannedModel,
  whole: PlannedModel,
  options: Omit<PlanOptions, 'lora'>,
  lora: LoraPlan | undefined,
): Omit<PlannedStageMemory, 'peakBytes'>[] {
  const { loss, layout = ALONE, beginning = 'mapped' } = options;
  const splitsLogits = loss !== undefined && loss !== 'reward';
  const teacher = options.teacher && {
    model: plannedModel(options.teacher.architecture.createModel()),
    weightBytes: options.teacher.weightBytes,
  };
  const beginningElements = (stage: PlannedStage): number | undefined => {
    if (beginning === 'mapped' || ranksOf(layout) === 1) return undefined;
    return beginning === 'whole' ? whole.elements : stageElements(model, stage);
  };
  return plannedStages(model.blocks.length, layout.pipeline, layout.chunks).map((stage) => ({
    parts: stageText(model, stage),
    elements: stageElements(model, stage),
    communication: stageCommunication(model, stage, options, lora),
    memory: estimatePeakMemory(model, {
      ...options,
      ...{ lora, splitsLogits, teacher, stage, beginningElements: beginningElements(stage) },
    }),
  }));
}

function stageCommunication(
  model: PlannedModel,
  stage: PlannedStage,
  options: Omit<PlanOptions, 'lora'>,
  lora: LoraPlan | undefined,
): Communication {
  const { layout = ALONE, precision, length, microBatchSize, accumulation = 1, recompute } = options;
  const { numHeads, numKvHeads, headDim, hiddenSize } = model;
  const bytes = BYTES[precision];
  const elements = stageElements(model, stage);
  const head = model.blocks.length + 1;
  const segments = segmentsOf(stage);
  const kvHeads = numKvHeads % layout.context === 0 ? numKvHeads : numHeads;
  const count = stage.stages === 1 ? 0 : stage.chunks.length;
  return communicationOf(layout, {
    elements,
    trainedElements: lora === undefined ? elements : adapterElements(model, lora, stage),
    computeBytes: bytes.compute,
    gradientBytes: bytes.summedGradient,
    tokens: microBatchSize * Math.ceil(length / layout.context),
    accumulation,
    layers: segments.filter((segment) => segment > 0 && segment < head).length,
    hiddenSize,
    exchangedWidth: (2 * numHeads + 2 * kvHeads) * headDim,
    recompute,
    sentForward: count === 0 ? 0 : count - (segments.includes(head) ? 1 : 0),
    sentBackward: count === 0 ? 0 : count - (segments.includes(0) ? 1 : 0),
  });
}

function secondsOf(
  options: Omit<PlanOptions, 'microBatchSize'>,
  {
    flops,
    tokens,
    model,
    stages,
    communication,
  }: {
    readonly flops: number;
    readonly tokens: number;
    readonly model: PlannedModel;
    readonly stages: readonly Pick<PlannedStageMemory, 'elements'>[];
    readonly communication: Communication;
  },
): number | undefined {
  const { layout = ALONE, precision, recompute, accumulation = 1, peakFlopsPerSecond, bandwidth } = options;
  if (peakFlopsPerSecond === undefined) return undefined;
  const seconds = stepSeconds({
    precision,
    // Each rank has its part of the arithmetic.
    tokens: tokens / ranksOf(layout),
    flopsPerToken: flops,
    peakFlopsPerSecond,
    recompute,
    layers: model.numLayers,
  });
  // As if nothing were computed meanwhile.
  const sending = bandwidth === undefined ? 0 : sentBytes(communication) / bandwidth;
  return (
    seconds * pipelineSlowdown(layout, accumulation, multipliedElements(model, stages.length, layout)) +
    sending
  );
}

/** Of each stage, elements that a token is multiplied with. */
function multipliedElements(model: PlannedModel, count: number, { chunks }: RankLayout): number[] {
  const head = model.blocks.length + 1;
  return plannedStages(model.blocks.length, count, chunks).map((stage) => {
    const reads = segmentsOf(stage).includes(0) && !(model.tied && segmentsOf(stage).includes(head));
    return stageElements(model, stage) - (reads ? model.embeddingElements : 0);
  });
}

function greatest<Item>(items: readonly Item[], of: (item: Item) => number): [item: Item, index: number] {
  const [first, ...others] = items;
  if (first === undefined) throw new TypeError('nothing to choose from');
  let best: [Item, number] = [first, 0];
  for (const [index, item] of others.entries()) if (of(item) > of(best[0])) best = [item, index + 1];
  return best;
}

/** A key and a value of all their heads for each layer and token, no more than the window. */
function cacheBytes(
  { numLayers, numKvHeads, headDim, longestWindow }: PlannedModel,
  precision: Precision,
  tokens: number,
): number {
  return (
    2 *
    numLayers *
    numKvHeads *
    headDim *
    Math.min(tokens, longestWindow ?? tokens) *
    BYTES[precision].compute
  );
}
