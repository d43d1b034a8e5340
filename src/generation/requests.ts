/**
 * What is asked of generation and what comes back: in ids (`GenerationRequest`, for the engine) and in text
 * (`TextRequest`, for whoever has a tokenizer). Plain data, so that a request can cross to another process; the one
 * exception is a constraint, which is made where the engine runs.
 */
import type { TokenLogProbs } from './log-probs.js';
import type { SamplingParameters } from './sampling-parameters.js';
import type { GrammarSpec } from './structured/grammar-spec.js';
import type { TokenConstraint } from './structured/token-constraint.js';

export interface BeamParameters {
  /** Beams kept at every step, and hypotheses returned. */
  readonly count: number;
  /** Divides a hypothesis' score by length^penalty. Default 1. */
  readonly lengthPenalty?: number | undefined;
  /** When to stop, as Hugging Face defines it. Default false. */
  readonly earlyStopping?: boolean | 'never' | undefined;
}

/** Which hidden states, behind the final norm, stand for a text: those of its last token, or the mean over all. */
export type Pooling = 'last' | 'mean';

interface CommonRequest {
  /** Ids of the vocabulary, at least one. */
  readonly promptIds: readonly number[];
  /** 0 where the prompt is padding; default: where the model's maskedTokenId stands. Same length as promptIds. */
  readonly attentionMask?: readonly number[] | undefined;
  readonly maxNewTokens: number;
  /** No stop id is chosen before this many tokens, and a stop string begins behind them. Default 0. */
  readonly minNewTokens?: number | undefined;
  /** Default greedy. */
  readonly sampling?: SamplingParameters | undefined;
  /** Which of the sequences of one prompt it is: each draws from a stream of its own. Default 0. */
  readonly sequenceIndex?: number | undefined;
  /** Only ids below are generated, for vocabularies padded beyond their tokenizer. Default: all. */
  readonly vocabLimit?: number | undefined;
  /** Ids that end the sequence; they are part of the output ids. */
  readonly stopTokenIds?: readonly number[] | undefined;
  /** Only these are generated. Default: all. */
  readonly allowedTokenIds?: readonly number[] | undefined;
  /** Sequences of ids that are never completed. */
  readonly forbiddenSequences?: readonly (readonly number[])[] | undefined;
  /** Name of a loaded LoRA adapter. Default: the model as it is. */
  readonly adapter?: string | undefined;
  /** Give the log-probability of every generated token, and of this many most probable ones beside it. */
  readonly logProbs?: number | undefined;
  /** The same for the tokens of the prompt. */
  readonly promptLogProbs?: number | undefined;
  /**
   * The log-probabilities of the prompt begin with the token at this position; the cache may serve what comes before it.
   * Default 0: all of them, and the whole prompt runs.
   */
  readonly promptLogProbsFrom?: number | undefined;
  /** Ids whose log-probability is given too wherever one of the prompt is: all options of a question in one pass. */
  readonly promptLogProbIds?: readonly number[] | undefined;
  /** Beam search in place of sampling. */
  readonly beams?: BeamParameters | undefined;
  /** Give the pooled hidden states of the prompt and generate nothing; maxNewTokens is 0. */
  readonly pooling?: Pooling | undefined;
  /** Who asks: clients take turns where something is made for one request at a time. Default: all are one. */
  readonly client?: string | undefined;
  /** Requests share cached prefixes with those of the same salt only. */
  readonly cacheSalt?: string | undefined;
  /** Lower goes first; equals in order of arrival. Default 0. */
  readonly priority?: number | undefined;
}

export interface GenerationRequest extends CommonRequest {
  readonly constraint?: TokenConstraint | undefined;
}

export type FinishReason = 'stop' | 'length';

export interface TextRequest extends CommonRequest {
  /** The text ends before (or after, if included) the one that is complete first. */
  readonly stopStrings?: readonly string[] | undefined;
  readonly includeStopString?: boolean | undefined;
  /** The answer goes on in the text of the prompt and keeps the space before its first word. Default: a text of its own. */
  readonly continuesPrompt?: boolean | undefined;
  /** Default true. */
  readonly skipSpecialTokens?: boolean | undefined;
  readonly grammar?: GrammarSpec | undefined;
}

/** Why and how a sequence ended. */
export interface SequenceEnd {
  readonly finishReason: FinishReason;
  /** The stop string or stop id that ended it; undefined for the end-of-sequence id and for `length`. */
  readonly stopReason: string | number | undefined;
  readonly promptTokens: number;
  /** Prompt tokens that came out of the prefix cache. */
  readonly cachedTokens: number;
  readonly generatedTokens: number;
  /** Milliseconds: from submission to the first step, from there to the first token, from there to the last. */
  readonly queueMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

/** One hypothesis of a finished beam search. */
export interface TextBeamResult {
  readonly ids: readonly number[];
  readonly text: string;
  /** Sum of log-probabilities / length^penalty, as Hugging Face's sequences_scores. */
  readonly score: number;
  readonly finishReason: FinishReason;
}

/** What one step brought to one request. */
export interface TextEvent {
  /** Text that no later token can change; often '' while a character or a stop string is still open. */
  readonly text: string;
  readonly ids: readonly number[];
  /** One for each of `ids`, where asked for. */
  readonly logProbs?: readonly TokenLogProbs[] | undefined;
  /** With the first event, where asked for: one for each prompt token, null for the first and for those before promptLogProbsFrom. */
  readonly promptLogProbs?: readonly (TokenLogProbs | null)[] | undefined;
  /** With the last event of a beam search, best first. `text` and `ids` are empty then. */
  readonly beams?: readonly TextBeamResult[] | undefined;
  /** With the last event, where `pooling` asked for it: the hidden size of numbers, of whatever length as a vector. */
  readonly embedding?: Float32Array | undefined;
  /** Set on the last event. */
  readonly end?: SequenceEnd | undefined;
}

/** Gauges are of the moment, counters since the engine was made. */
export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  /** Prompt tokens of the waiting requests. */
  readonly waitingTokens: number;
  readonly blocks: number;
  /** Blocks that no running sequence holds (cached contents may lie in them). */
  readonly freeBlocks: number;
  readonly steps: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly preemptions: number;
  /** In tokens, as vLLM counts. */
  readonly prefixCacheQueries: number;
  readonly prefixCacheHits: number;
  readonly draftTokens: number;
  readonly acceptedDraftTokens: number;
  readonly liveTensors: number;
  /** Tokens that the last steps ran, newest last; taken away by reading. */
  readonly stepTokens: readonly number[];
}
