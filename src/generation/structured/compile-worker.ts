/** The thread that compiles grammars. It may be killed at any time: what it has found good goes to the one that makes masks. */
import { parentPort, workerData } from 'node:worker_threads';
import { InputError, messageOf } from '../../errors/index.js';
import { parseOrderedJson } from '../../json/index.js';
import { buildGrammar } from './compile-grammar.js';
import { GrammarAutomaton } from './grammar-automaton.js';
import type { GrammarSpec } from './grammar-spec.js';
import { type PackedGrammar, unpackGrammar } from './packed-grammar.js';
import { SequenceMatcher, TokenGrammar, VocabularyTries } from './sequence-matcher.js';
import type { TokenVocabulary } from './token-vocabulary.js';

/** A spec as JSON. */
export type CompileMessage = string;

export type CompileReply =
  /** Once, when it can begin. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'compiled'; readonly grammar: PackedGrammar; readonly milliseconds: number }
  | { readonly kind: 'error'; readonly isInput: boolean; readonly message: string };

// Read as sent by compile-thread.ts, which starts this thread.
const tries = new VocabularyTries(workerData as TokenVocabulary);

parentPort?.on('message', (spec: CompileMessage) => {
  const start = performance.now();
  try {
    // Plain data that went through JSON.stringify at the other end.
    const grammar = buildGrammar(parseOrderedJson(spec) as GrammarSpec);
    const automaton = new GrammarAutomaton(unpackGrammar(grammar), tries.tokens.maxTokenBytes);
    // The first mask with it: it finds out what is too ambiguous.
    const mask = new Uint32Array((tries.vocabulary.size + 31) >>> 5);
    new SequenceMatcher(new TokenGrammar(automaton, tries)).writeMask(mask);
    send({ kind: 'compiled', grammar, milliseconds: performance.now() - start });
  } catch (error) {
    send({ kind: 'error', isInput: error instanceof InputError, message: messageOf(error) });
  }
});
send({ kind: 'ready' });

function send(reply: CompileReply): void {
  parentPort?.postMessage(reply);
}
