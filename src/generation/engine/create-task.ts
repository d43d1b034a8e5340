/** The task of a request: the beams, the pooled hidden states, or one sampled text. */
import type { AdapterSet } from '../../checkpoint/index.js';
import type { CausalLm } from '../../models/index.js';
import { NgramDrafter } from '../ngram-drafter.js';
import type { GenerationRequest } from '../requests.js';
import { BeamTask } from './beam-task.js';
import { rotaryKey } from './model-runner.js';
import { PoolingTask } from './pooling-task.js';
import { SampledTask } from './sampled-task.js';
import { Sequence } from './sequence.js';
import type { Task } from './task.js';

/** What a task needs of the engine. */
export interface TaskContext {
  readonly model: CausalLm;
  readonly adapters: AdapterSet | undefined;
  /** 0: nothing is drafted. */
  readonly maxDrafts: number;
  /** Called when a text that waited for its mask can go on. */
  readonly onReady: () => void;
}

/** @param request checked already */
export function createTask(
  id: string,
  request: GenerationRequest,
  { model, adapters, maxDrafts, onReady }: TaskContext,
): Task {
  const { promptIds, attentionMask, adapter, beams, pooling } = request;
  const { maskedTokenId } = model;
  const promptAttentionMask = attentionMask?.map((attended) => attended !== 0);
  const isUsual = promptIds.every(
    (token, index) => (promptAttentionMask?.[index] ?? true) === (token !== maskedTokenId),
  );
  const sequence = new Sequence({
    promptIds,
    promptAttentionMask,
    maskedTokenId,
    hashContext: JSON.stringify([
      rotaryKey(model, promptIds.length),
      adapter === undefined ? '' : [adapter, adapters?.version(adapter)],
      request.cacheSalt ?? '',
      promptAttentionMask === undefined || isUsual ? '' : promptAttentionMask.map(Number).join(''),
    ]),
    adapter,
    window: model.longestWindow,
  });
  if (pooling !== undefined) return new PoolingTask(id, request, pooling, sequence);
  if (beams !== undefined) return new BeamTask(id, request, beams, sequence);
  const drafts = maxDrafts > 0 && request.constraint === undefined;
  const drafter = drafts ? new NgramDrafter(promptIds, { maxDraft: maxDrafts }) : undefined;
  return new SampledTask(id, request, sequence, drafter, onReady);
}
