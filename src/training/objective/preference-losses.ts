/**
 * Losses over answers that are compared, by their log-probabilities; the definitions are TRL's. Each gives a loss and the
 * implicit reward of the two answers for every record.
 *
 * Shapes: B records.
 */
import { operator, type Tensor, where } from '../../tensor/index.js';

const logSigmoid = operator('aten::log_sigmoid');
const log1p = operator('aten::log1p');
const expm1 = operator('aten::expm1');
const isBelow = operator('aten::lt.Scalar');

/** Sums of log-probabilities over the answers' tokens, by the model that is trained and by the one before training. */
export interface ReferencedPairs {
  readonly chosen: Tensor; // [B]
  readonly rejected: Tensor; // [B]
  readonly referenceChosen: Tensor; // [B]
  readonly referenceRejected: Tensor; // [B]
}

/** Means of log-probabilities over the answers' tokens. */
export interface MeanPairs {
  readonly chosen: Tensor; // [B]
  readonly rejected: Tensor; // [B]
}

export interface PairLosses {
  readonly losses: Tensor; // [B]
  readonly chosenRewards: Tensor; // [B]
  readonly rejectedRewards: Tensor; // [B]
}

/**
 * Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290): -log sigmoid(beta * (log ratio of chosen - log ratio
 * of rejected)); with label smoothing e (cDPO) the share e of the pairs counts the other way round.
 */
export function dpoLosses(
  pairs: ReferencedPairs,
  { beta, labelSmoothing }: { readonly beta: number; readonly labelSmoothing: number },
): PairLosses {
  const { chosenRatio, rejectedRatio } = ratiosOf(pairs);
  return {
    losses: smoothedLogistic(chosenRatio.sub(rejectedRatio).mul(beta), labelSmoothing),
    chosenRewards: chosenRatio.mul(beta),
    rejectedRewards: rejectedRatio.mul(beta),
  };
}

/**
 * Identity preference optimisation (Azar et al. 2023, arXiv 2310.12036): (h - 1 / (2 beta))^2, h being the difference of the log
 * ratios, each divided by its number of tokens as TRL does.
 */
export function ipoLosses(
  pairs: ReferencedPairs,
  {
    beta,
    chosenTokens,
    rejectedTokens,
  }: { readonly beta: number; readonly chosenTokens: Tensor; readonly rejectedTokens: Tensor },
): PairLosses {
  const { chosenRatio, rejectedRatio } = ratiosOf(pairs);
  const difference = chosenRatio.div(chosenTokens).sub(rejectedRatio.div(rejectedTokens));
  return {
    losses: difference.sub(1 / (2 * beta)).pow(2),
    chosenRewards: chosenRatio.mul(beta),
    rejectedRewards: rejectedRatio.mul(beta),
  };
}

/** SimPO (Meng et al. 2024, arXiv 2405.14734): no reference, mean log-probabilities, a margin gamma. */
export function simpoLosses(
  { chosen, rejected }: MeanPairs,
  {
    beta,
    gamma,
    labelSmoothing,
  }: { readonly beta: number; readonly gamma: number; readonly labelSmoothing: number },
): PairLosses {
  return {
    losses: smoothedLogistic(chosen.sub(rejected).mul(beta).sub(gamma), labelSmoothing),
    chosenRewards: chosen.mul(beta),
    rejectedRewards: rejected.mul(beta),
  };
}

export interface OddsRatioLosses extends PairLosses {
  readonly logOdds: Tensor; // [B]
}

/**
 * The odds-ratio term of ORPO (Hong et al. 2024, arXiv 2403.07691): -beta * log sigmoid(log odds of chosen - log odds of
 * rejected), odds = p / (1 - p) of the mean log-probability. The loss adds the cross-entropy of the chosen sequence.
 */
export function oddsRatioLosses(
  { chosen, rejected }: MeanPairs,
  { beta }: { readonly beta: number },
): OddsRatioLosses {
  const logOdds = chosen.sub(rejected).sub(log1mExp(chosen).sub(log1mExp(rejected)));
  return {
    losses: logSigmoid(logOdds).mul(-beta),
    chosenRewards: chosen.mul(beta),
    rejectedRewards: rejected.mul(beta),
    logOdds,
  };
}

export interface JudgedAnswers {
  readonly logProbs: Tensor; // [B]
  readonly reference: Tensor; // [B]
  /** 1 for a wanted answer, -1 for an unwanted one. */
  readonly signs: Tensor; // [B]
  /** What each counts. */
  readonly weights: Tensor; // [B]
}

/**
 * Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306): 1 - sigmoid(± beta * (log ratio - kl)).
 * @param kl how far the model is from the reference, a number without a gradient
 */
export function ktoLosses(
  { logProbs, reference, signs, weights }: JudgedAnswers,
  { beta, kl }: { readonly beta: number; readonly kl: number },
): { readonly losses: Tensor; readonly rewards: Tensor } {
  const ratio = logProbs.sub(reference);
  const value = ratio.sub(kl).mul(signs).mul(beta).sigmoid();
  return { losses: value.neg().add(1).mul(weights), rewards: ratio.mul(beta) };
}

/**
 * Bradley-Terry: -log sigmoid(score of chosen - score of rejected - margin), and c * (their sum)^2, which holds the scores
 * about 0 (Eisenstein et al. 2023, arXiv 2312.09244).
 * @param chosen [B] @param rejected [B] @param margin [B]
 */
export function rewardLosses(
  {
    chosen,
    rejected,
    margin,
  }: { readonly chosen: Tensor; readonly rejected: Tensor; readonly margin: Tensor },
  centerCoefficient: number | undefined,
): Tensor {
  const losses = logSigmoid(chosen.sub(rejected).sub(margin)).neg();
  return centerCoefficient === undefined
    ? losses
    : losses.add(chosen.add(rejected).pow(2).mul(centerCoefficient));
}

function ratiosOf({ chosen, rejected, referenceChosen, referenceRejected }: ReferencedPairs): {
  readonly chosenRatio: Tensor;
  readonly rejectedRatio: Tensor;
} {
  return { chosenRatio: chosen.sub(referenceChosen), rejectedRatio: rejected.sub(referenceRejected) };
}

function smoothedLogistic(logits: Tensor, smoothing: number): Tensor {
  const losses = logSigmoid(logits).mul(-(1 - smoothing));
  return smoothing === 0 ? losses : losses.sub(logSigmoid(logits.neg()).mul(smoothing));
}

/** log(1 - exp(x)) for x < 0: by log1p far from 0, by expm1 near it, where the other loses all digits. */
function log1mExp(x: Tensor): Tensor {
  return where(isBelow(x, -Math.LN2), log1p(x.exp().neg()), expm1(x).neg().log());
}
