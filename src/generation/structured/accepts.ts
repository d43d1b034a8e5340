/** For the tests: whether a grammar accepts a text as a whole. */
import { compileGrammar } from './compile-grammar.js';
import type { AutomatonState, GrammarAutomaton } from './grammar-automaton.js';
import type { GrammarSpec } from './grammar-spec.js';

/** A check of texts against one spec. @throws InputError as compileGrammar does */
export function acceptor(spec: GrammarSpec): (text: string) => boolean {
  const automaton = compileGrammar(spec, 64);
  return (text) => stateAfter(automaton, text)?.isAccepting ?? false;
}

export function stateAfter(automaton: GrammarAutomaton, text: string): AutomatonState | undefined {
  let state: AutomatonState | undefined = automaton.initial;
  for (const byte of Buffer.from(text)) state = state && automaton.step(state, byte);
  return state;
}
