/** What `xinghe plan` prints of a training run. */
import { formatBytes, formatCount, formatDuration } from '../../log/index.js';
import type { Architecture } from '../../models/index.js';
import {
  EFFICIENCY,
  layoutText,
  type RunPlan,
  ranksOf,
  sectionOfLayout,
  sentBytes,
  sequencesPerRow,
} from '../../training/index.js';
import type { PlannedRunSettings } from './plan-source.js';

/** Of a mixture of experts, how much of it computes a token. */
function activeText({ elements, activeElements }: RunPlan['model']): string {
  return activeElements === elements ? '' : `${formatCount(activeElements)} of them active for a token, `;
}

export function runAsJson(found: RunPlan, available: number, peakGflops: number): unknown {
  const { model, memory, secondsPerStep, tokensPerStep } = found;
  return {
    parameters: model.elements,
    active_parameters: model.activeElements,
    trained_parameters: found.trainedElements,
    peak_bytes: found.peakBytes,
    tensor_bytes: memory.total,
    weights: memory.weights,
    master_weights: memory.masters,
    optimizer_state: memory.moments,
    gradients: memory.gradients,
    activations: memory.activations,
    working: memory.working,
    inputs: memory.inputs,
    buffers: memory.buffers,
    layout: sectionOfLayout(found.layout),
    ranks: ranksOf(found.layout),
    communication: found.communication,
    stages: found.stages.map((stage) => ({
      parts: stage.parts,
      parameters: stage.elements,
      weights: stage.memory.weights,
      peak_bytes: stage.peakBytes,
      fullest_phase: stage.memory.phase,
      communication: stage.communication,
    })),
    fullest_stage: found.fullestStage,
    teacher: memory.teacher,
    process: found.processBytes,
    host_bytes: memory.host,
    fullest_phase: memory.phase,
    kv_cache: found.cacheBytes,
    available_bytes: available,
    fits: found.peakBytes <= available,
    flops_per_token: found.flopsPerToken,
    peak_gflops: peakGflops,
    tokens_per_step: tokensPerStep,
    seconds_per_step: secondsPerStep,
    tokens_per_second: secondsPerStep === undefined ? undefined : tokensPerStep / secondsPerStep,
  };
}

/** In a smaller model activations outweigh the rest, and its figure for a billion parameters holds for no large one. */
const MIN_RATED_PARAMETERS = 1e8;

export function describeRun(
  { family }: Architecture,
  found: RunPlan,
  run: PlannedRunSettings,
  available: number,
  peakGflops: number,
): string {
  const { model, memory, secondsPerStep = 0, tokensPerStep } = found;
  const offloaded = memory.host > 0;
  const rows: [string, number, string?][] = [
    ['weights', memory.weights],
    ...(memory.masters > 0 && !offloaded ? [['master weights', memory.masters] as [string, number]] : []),
    ...(offloaded ? [] : [['optimiser state', memory.moments] as [string, number]]),
    ['gradients', memory.gradients],
    ['activations', memory.activations, 'kept for the backward pass'],
    ['working', memory.working, `${memory.phase}, the fullest phase`],
    ...(memory.teacher > 0
      ? [['teacher', memory.teacher, 'its weights, and what its head is given'] as [string, number, string]]
      : []),
    ['inputs', memory.inputs, 'ids, masks, rotary tables'],
    ...(memory.buffers > 0
      ? [['buffers', memory.buffers, 'of what is gathered'] as [string, number, string]]
      : []),
    ['program', found.processBytes, 'libraries and their buffers'],
    ['peak', found.peakBytes, fitText(found, available, run)],
  ];
  const table = rows.map(
    ([name, bytes, note]) =>
      `  ${name.padEnd(16)} ${formatBytes(bytes).padStart(9)}${note === undefined ? '' : `  ${note}`}`,
  );
  return [
    `${family}, ${formatCount(model.elements)} parameters, ${activeText(model)}${formatCount(found.trainedElements)} trained, ${run.precision}; ` +
      `${run.microBatchSize} rows of ${sequencesPerRow(run.loss) === 2 ? '2 sequences, each of ' : ''}${run.length} tokens, ${run.accumulation ?? 1} micro-batch${(run.accumulation ?? 1) === 1 ? '' : 'es'} a step`,
    ...table,
    ...rankLines(found),
    ...(offloaded ? [`  on the host: ${formatBytes(memory.host)} of masters and optimiser state`] : []),
    ...(model.elements < MIN_RATED_PARAMETERS
      ? []
      : [`  ${(memory.total / model.elements).toPrecision(3)} GB for each billion parameters`]),
    `  KV cache of one sequence in generation: ${formatBytes(found.cacheBytes)}`,
    `${formatCount(found.flopsPerToken)} operations a token; at ${Math.round(100 * EFFICIENCY[run.precision])} % of ${formatSpeed(peakGflops)}: ` +
      `${secondsPerStep < 10 ? `${secondsPerStep.toPrecision(3)} s` : formatDuration(secondsPerStep)} a step of ${tokensPerStep} tokens, ${formatCount(tokensPerStep / Math.max(secondsPerStep, 1e-9))} tokens/s`,
    '',
  ].join('\n');
}

function rankLines(found: RunPlan): string[] {
  const { layout, communication, stages, fullestStage } = found;
  const ranks = ranksOf(layout);
  if (ranks === 1) return [];
  const { data, tensor, pipeline, context } = communication;
  const within = [
    `${formatBytes(data)} of gradients and parameters`,
    `${formatBytes(tensor)} within layers`,
    ...(layout.pipeline > 1 ? [`${formatBytes(pipeline)} from stage to stage`] : []),
    ...(layout.context > 1 ? [`${formatBytes(context)} of heads for tokens`] : []),
  ];
  const whose =
    stages.length === 1
      ? `each of ${ranks} ranks`
      : `the ranks of stage ${fullestStage + 1}, the fullest of ${ranks}`;
  return [
    `  of ${whose} (${layoutText(layout)}); it sends ${formatBytes(sentBytes(communication))} a step: ${within.join(', ')}`,
    ...(stages.length === 1 ? [] : stageLines(found)),
  ];
}

function stageLines({ stages }: RunPlan): string[] {
  const width = Math.max(...stages.map(({ parts }) => parts.length));
  return stages.map(
    ({ parts, memory, peakBytes, communication }, stage) =>
      `    stage ${String(stage + 1).padStart(2)}  ${parts.padEnd(width)}  weights ${formatBytes(memory.weights).padStart(9)}  peak ${formatBytes(peakBytes).padStart(9)}  ` +
      `sends ${formatBytes(sentBytes(communication)).padStart(9)}`,
  );
}

function fitText(
  { peakBytes, memory, processBytes }: RunPlan,
  available: number,
  run: PlannedRunSettings,
): string {
  if (peakBytes <= available) return `fits into the ${formatBytes(available)} that are free`;
  const needed = memory.weights + processBytes;
  const problem = `DOES NOT FIT into the ${formatBytes(available)} that are free`;
  // Smaller batches and recomputed activations are no help then.
  if (needed > available) {
    const halved = run.precision === 'float32' ? 2 : run.precision === 'float64' ? 4 : 1;
    const lower = memory.weights / halved + processBytes <= available && halved > 1;
    return (
      `${problem}: the weights alone take ${formatBytes(memory.weights)}; ` +
      (lower
        ? 'try --precision bfloat16'
        : `take a machine or device with more than ${formatBytes(needed)}, more of them (--layout auto --devices N), or a smaller model`)
    );
  }
  const ways = [
    ...(run.recompute === 'full' ? [] : ['--recompute full']),
    ...(run.microBatchSize > 1 ? ['a smaller --micro-batch-size'] : []),
    ...(run.lora === undefined ? ['--lora-rank 8'] : []),
    ...(run.precision === 'bfloat16' ? [] : ['--precision bfloat16']),
  ];
  const hint = ways.length === 0 ? 'take a shorter --sequence-length' : `try ${ways.join(', ')}`;
  return `${problem}; ${hint}`;
}

/** 4.0e5 GFLOP/s -> "400 TFLOP/s". */
function formatSpeed(gflops: number): string {
  return gflops >= 1000
    ? `${Number((gflops / 1000).toPrecision(3))} TFLOP/s`
    : `${Number(gflops.toPrecision(3))} GFLOP/s`;
}
