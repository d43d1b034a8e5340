/** Token masks of one sequence: automaton and token trie together. */
import { InputError } from '../../errors/index.js';
import { type AutomatonState, type GrammarAutomaton, tooAmbiguous } from './grammar-automaton.js';
import { TokenTrie } from './token-trie.js';
import type { TokenVocabulary } from './token-vocabulary.js';

const SPACE = 0x20;

/** The tries of one vocabulary, shared by all grammars. */
export class VocabularyTries {
  readonly vocabulary: TokenVocabulary;
  readonly tokens: TokenTrie;
  /** Tokens as they read at the beginning of a text. */
  readonly firstTokens: TokenTrie;
  readonly #loneSpaces: ReadonlySet<number>;

  constructor(vocabulary: TokenVocabulary) {
    this.vocabulary = vocabulary;
    this.#loneSpaces = new Set(vocabulary.loneSpaces);
    this.tokens = new TokenTrie(vocabulary);
    this.firstTokens =
      vocabulary.leadingSpace === 'keep'
        ? this.tokens
        : new TokenTrie(vocabulary, (id) => this.#droppedBytes(id));
  }

  /** The text as it reads at the beginning. */
  firstTextOf(id: number): Uint8Array {
    return this.textOf(id).subarray(this.#droppedBytes(id));
  }

  #droppedBytes(id: number): number {
    const text = this.textOf(id);
    return text[0] === SPACE && (text.length > 1 || this.#loneSpaces.has(id)) ? 1 : 0;
  }

  textOf(id: number): Uint8Array {
    const { offsets, bytes } = this.vocabulary;
    return id < offsets.length - 1 ? bytes.subarray(offsets[id]!, offsets[id + 1]!) : new Uint8Array();
  }
}

/** A grammar that is ready for a vocabulary, with the masks that it has needed so far. */
export class TokenGrammar {
  readonly automaton: GrammarAutomaton;
  readonly tries: VocabularyTries;
  readonly #masks = new Map<string, Uint32Array>();

  constructor(automaton: GrammarAutomaton, tries: VocabularyTries) {
    this.automaton = automaton;
    this.tries = tries;
  }

  /** Tokens that may follow, without stop ids. Not to be changed. */
  maskOf(state: AutomatonState, position: 'first' | 'later'): Uint32Array {
    const key = `${position}${this.automaton.maskKey(state)}`;
    let mask = this.#masks.get(key);
    if (mask === undefined) {
      mask = new Uint32Array((this.tries.vocabulary.size + 31) >>> 5);
      const trie = position === 'first' ? this.tries.firstTokens : this.tries.tokens;
      trie.markAllowed(this.automaton, state, mask);
      if (this.#masks.size >= MAX_MASKS) this.#masks.clear();
      this.#masks.set(key, mask);
    }
    return mask;
  }
}

/** Of 20 KB each for 160,000 tokens. */
const MAX_MASKS = 128;

/**
 * Work on new states that a sequence may cause, in visits of grammar nodes: at once, and for each token that it has.
 * Grammars of use soon need none; one that always needs more would hold up the masks of all other sequences.
 */
const VISITS_AT_ONCE = 1_500_000;
const VISITS_PER_TOKEN = 50_000;

/** Where the text of one sequence is. */
export class SequenceMatcher {
  readonly #grammar: TokenGrammar;
  #state: AutomatonState;
  #visitsLeft = VISITS_AT_ONCE;
  #position: 'start' | 'after-space' | 'within' | 'ended';

  constructor(grammar: TokenGrammar) {
    this.#grammar = grammar;
    this.#state = grammar.automaton.initial;
    this.#position = grammar.tries.vocabulary.leadingSpace === 'keep' ? 'within' : 'start';
  }

  /**
   * Writes the allowed tokens over `mask`, of size / 32 words.
   * @throws InputError if no token may follow, or the grammar costs too much
   */
  writeMask(mask: Uint32Array): void {
    const { stopIds } = this.#grammar.tries.vocabulary;
    if (this.#position === 'ended') mask.fill(0);
    else mask.set(this.#tokenMask());
    if (this.#position === 'start') this.#allowLoneSpaces(mask);
    if (this.#position === 'ended' || this.#state.isAccepting)
      for (const id of stopIds) mask[id >> 5]! |= 1 << (id & 31);
    if (mask.every((word) => word === 0)) {
      throw new InputError(
        'No token can continue the text as the grammar demands: it needs characters that the vocabulary cannot spell, or it is complete and there is no stop token.',
      );
    }
  }

  /** @throws Error for a token that the mask does not allow */
  accept(id: number): void {
    const { stopIds, leadingSpace } = this.#grammar.tries.vocabulary;
    if (stopIds.includes(id) && (this.#position === 'ended' || this.#state.isAccepting)) {
      this.#position = 'ended';
      return;
    }
    const { tries } = this.#grammar;
    const text = this.#position === 'within' ? tries.textOf(id) : tries.firstTextOf(id);
    const isText =
      text.length > 0 || (this.#position === 'start' && tries.vocabulary.loneSpaces.includes(id));
    let state: AutomatonState | undefined = isText && this.#position !== 'ended' ? this.#state : undefined;
    this.#grammar.automaton.startMask();
    for (const byte of text) {
      state = state && this.#grammar.automaton.step(state, byte);
    }
    if (state === undefined) throw new Error(`Token ${id} is not allowed by the grammar here.`);
    this.#state = state;
    const isStillStart = text.length === 0 && leadingSpace === 'drop-all';
    this.#position = isStillStart ? 'after-space' : 'within';
  }

  #tokenMask(): Uint32Array {
    const { automaton } = this.#grammar;
    automaton.startMask();
    const mask = this.#grammar.maskOf(this.#state, this.#position === 'within' ? 'later' : 'first');
    this.#visitsLeft = Math.min(VISITS_AT_ONCE, this.#visitsLeft + VISITS_PER_TOKEN) - automaton.visits;
    if (this.#visitsLeft < 0) throw tooAmbiguous();
    return mask;
  }

  /** A token that is the dropped space alone: once only, or a model could write it for ever. */
  #allowLoneSpaces(mask: Uint32Array): void {
    for (const id of this.#grammar.tries.vocabulary.loneSpaces) mask[id >> 5]! |= 1 << (id & 31);
  }
}
