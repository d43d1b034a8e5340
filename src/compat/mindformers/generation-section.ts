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
  /** predict_data: a file of {"input"}, the text `[q1##q2]`, or the questions; undefined: none. */
  readonly questions: string | readonly string[] | undefined;
  /** With one {} for the question. */
  readonly template: string | undefined;
  readonly stream: boolean;
}

export function readGeneration(
  file: PublishedRunFile,
  model: RuntimeModelSection,
  family: FamilyName,
): PublishedGeneration {
  return {
    sampling: samplingOf(model, family),
    maxLength: model.max_length ?? model.max_decode_length,
    maxNewTokens: file.predict_length,
    batchSize: file.predict_batch ?? 1,
    questions: questionsOf(file.predict_data),
    template: file.prompt || undefined,
    stream: file.streamer ?? false,
  };
}

/** A list comes of YAML, which takes `[q1##q2]` for one of one text. */
function questionsOf(data: PublishedRunFile['predict_data']): PublishedGeneration['questions'] {
  if (data === null || data === undefined || data === '') return undefined;
  return typeof data === 'string' ? data : data.flatMap((part) => part.split('##'));
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
