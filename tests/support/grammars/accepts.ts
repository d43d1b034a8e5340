/** For the tests: whether a grammar accepts a text as a whole. */
import { compileGrammar } from '../../../src/generation/structured/compile-grammar.js';
import type {
  AutomatonState,
  GrammarAutomaton,
} from '../../../src/generation/structured/grammar-automaton.js';
import type { GrammarSpec } from '../../../src/generation/structured/grammar-spec.js';

/** Milliseconds; a machine under load must not fail the tests. */
const PATIENCE = 30_000;

/** A check of texts against one spec. @throws InputError as compileGrammar does */
export function acceptor(spec: GrammarSpec): (text: string) => boolean {
  const automaton = compileGrammar(spec, 64, undefined, PATIENCE);
  return (text) => stateAfter(automaton, Buffer.from(text))?.isAccepting ?? false;
}

/** A check whether bytes may begin a text of the spec. */
export function acceptsPrefix(spec: GrammarSpec): (bytes: Uint8Array) => boolean {
  const automaton = compileGrammar(spec, 64, undefined, PATIENCE);
  return (bytes) => stateAfter(automaton, bytes) !== undefined;
}

function stateAfter(automaton: GrammarAutomaton, bytes: Uint8Array): AutomatonState | undefined {
  let state: AutomatonState | undefined = automaton.initial;
  for (const byte of bytes) state = state && automaton.step(state, byte);
  return state;
}
