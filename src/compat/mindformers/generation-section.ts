/** What a published file says about generation. */
import type { SamplingParameters } from '../../generation/index.js';
import type { FamilyName } from '../../models/index.js';
import type { PublishedRunFile, RuntimeModelSection } from './published-schema.js';

export interface PublishedGeneration {
  readonly sampling: SamplingParameters;
  /** Ids of prompt and answer together. */
  readonly maxLength: number | undefined;
  /** Ids of the answer. */
  readonly maxNewTokens: number | undefined;
  readonly batchSize: number;
  /** Questions, or a .json or .jsonl file of {"input"}. */
  readonly questions: readonly string[];
  readonly questionFile: string | undefined;
  /** With one {} for the question. */
  readonly template: string | undefined;
  readonly stream: boolean;
}

export function readGeneration(
  file: PublishedRunFile,
  model: RuntimeModelSection,
  family: FamilyName,
): PublishedGeneration {
  const data = file.predict_data ?? undefined;
  const questionFile = typeof data === 'string' && /\.jsonl?$/.test(data) ? data : undefined;
  return {
    sampling: samplingOf(model, family),
    maxLength: model.max_length ?? model.max_decode_length,
    maxNewTokens: file.predict_length,
    batchSize: file.predict_batch ?? 1,
    questions: questionFile === undefined ? questionsOf(data) : [],
    questionFile,
    template: file.prompt ?? undefined,
    stream: file.streamer ?? false,
  };
}

/** [q1##q2##…] as on the published command line, or a list. */
function questionsOf(data: string | readonly string[] | undefined): readonly string[] {
  if (data === undefined) return [];
  const parts = typeof data === 'string' ? [data.replace(/^\[(.*)\]$/s, '$1')] : data;
  return parts.flatMap((part) => part.split('##')).filter((question) => question !== '');
}

function samplingOf(model: RuntimeModelSection, family: FamilyName): SamplingParameters {
  const penalty = model.repetition_penalty;
  const isSubtractive = family === 'spark';
  return {
    ...(model.do_sample && {
      temperature: model.temperature ?? 1,
      ...(model.top_k !== undefined && { topK: model.top_k }),
      ...(model.top_p !== undefined && { topP: model.top_p }),
    }),
    ...(penalty !== undefined &&
      penalty !== 1 && {
        repetitionPenalty: penalty,
        repetitionPenaltyKind: isSubtractive ? 'subtractive' : 'multiplicative',
        ...(isSubtractive && { repetitionPenaltyIncrease: model.repetition_penalty_increase ?? 0.1 }),
      }),
  };
}
