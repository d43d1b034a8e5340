/** From a row of logits to the next token of one sequence: penalties, restrictions, grammar, sampler. */
import { InputError } from '../../errors/index.js';
import { type TokenLogProbs, tokenLogProbs } from '../log-probs.js';
import { createPenalties, type Penalty } from '../penalties.js';
import type { GenerationRequest } from '../requests.js';
import { Sampler } from '../sampler.js';
import type { LogitsRow } from '../sampling-parameters.js';
import type { TokenConstraint } from '../structured/token-constraint.js';
import { createRestrictions } from '../token-restrictions.js';

export interface SelectedToken {
  readonly id: number;
  /** Of the model's own distribution, before penalties and temperature; where asked for. */
  readonly logProbs: TokenLogProbs | undefined;
}

export class TokenSelector {
  readonly #sampler: Sampler;
  readonly #penalties: readonly Penalty[];
  readonly #isRestricted: boolean;
  readonly #constraint: TokenConstraint | undefined;
  readonly #vocabLimit: number | undefined;
  readonly #numLogProbs: number | undefined;

  /** @throws InputError if a parameter is out of range */
  constructor(request: GenerationRequest) {
    const { promptIds, attentionMask, sampling = {}, sequenceIndex = 0 } = request;
    this.#sampler = new Sampler(sampling, sequenceIndex);
    const attendedIds = promptIds.filter((_, index) => attentionMask?.[index] !== 0);
    const restrictions = createRestrictions(request, attendedIds);
    this.#penalties = [...createPenalties(sampling, attendedIds), ...restrictions];
    this.#isRestricted = restrictions.length > 0 || request.constraint !== undefined;
    this.#constraint = request.constraint;
    this.#vocabLimit = request.vocabLimit;
    this.#numLogProbs = request.logProbs;
  }

  /** False while it is being found out elsewhere which tokens the grammar allows. */
  get isReady(): boolean {
    return this.#constraint?.isReady ?? true;
  }

  /** Calls once when `isReady` has become true, never within this call. */
  whenReady(call: () => void): void {
    this.#constraint?.whenReady(call);
  }

  /** @param row logits [V], changed in place */
  choose(row: LogitsRow): SelectedToken {
    const raw = this.#numLogProbs === undefined ? undefined : row.slice();
    const allowed = row.subarray(0, this.#vocabLimit);
    for (const penalty of this.#penalties) penalty.apply(row);
    if (this.#constraint !== undefined) forbidOthers(allowed, this.#constraint.allowed());
    if (this.#isRestricted && !allowed.some((logit) => logit !== -Infinity))
      throw new InputError(
        'generation: the restrictions of the request allow no token here; its grammar, allowedTokenIds, ' +
          'forbiddenSequences and minNewTokens contradict each other.',
      );
    const id = this.#sampler.sample(allowed);
    for (const penalty of this.#penalties) penalty.add(id);
    this.#constraint?.accept(id);
    return { id, logProbs: raw === undefined ? undefined : tokenLogProbs(raw, id, this.#numLogProbs) };
  }

  dispose(): void {
    this.#constraint?.dispose();
  }
}

/** @param words bit i of word i >> 5: token i may come */
function forbidOthers(row: LogitsRow, words: Uint32Array): void {
  let some = false;
  for (let start = 0; start < row.length; start += 32) {
    const word = words[start >> 5] ?? 0;
    some ||= word !== 0;
    if (word === 0xffffffff) continue;
    const end = Math.min(row.length, start + 32);
    if (word === 0) row.fill(-Infinity, start, end);
    else for (let id = start; id < end; id++) if (((word >>> (id - start)) & 1) === 0) row[id] = -Infinity;
  }
  if (!some)
    throw new InputError(
      'structured output: no token of this vocabulary continues the text that the grammar asks for.',
    );
}
