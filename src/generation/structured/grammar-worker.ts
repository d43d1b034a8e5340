/** The thread that compiles grammars and computes masks; answers what grammar-compiler.ts sends. */
import { parentPort, workerData } from 'node:worker_threads';
import { InputError, messageOf } from '../../errors/index.js';
import { compileGrammar } from './compile-grammar.js';
import type { GrammarSpec } from './grammar-spec.js';
import { MaskBuffer } from './mask-buffer.js';
import { SequenceMatcher, TokenGrammar, VocabularyTries } from './sequence-matcher.js';
import type { TokenVocabulary } from './token-vocabulary.js';

export type GrammarMessage =
  | { readonly kind: 'compile'; readonly request: number; readonly spec: string }
  | {
      readonly kind: 'open';
      readonly sequence: number;
      readonly spec: string;
      readonly memory: SharedArrayBuffer;
    }
  | { readonly kind: 'accept'; readonly sequence: number; readonly id: number }
  | { readonly kind: 'close'; readonly sequence: number }
  | { readonly kind: 'count'; readonly request: number };

export type GrammarReply =
  | { readonly kind: 'compiled'; readonly request: number; readonly milliseconds: number }
  | {
      readonly kind: 'count';
      readonly request: number;
      readonly sequences: number;
      readonly grammars: number;
    }
  | { readonly kind: 'error'; readonly request: number; readonly isInput: boolean; readonly message: string };

/** Grammars kept for the next request; each may hold some MB of masks. */
const MAX_GRAMMARS = 32;

interface Sequence {
  readonly matcher: SequenceMatcher;
  readonly buffer: MaskBuffer;
}

// Read as sent by grammar-compiler.ts, which starts this thread.
const tries = new VocabularyTries(workerData as TokenVocabulary);
/** By the spec as JSON; the one used last comes last. */
const grammars = new Map<string, TokenGrammar>();
const sequences = new Map<number, Sequence>();

parentPort?.on('message', (message: GrammarMessage) => {
  switch (message.kind) {
    case 'compile':
      return reply(message.request, () => {
        const start = performance.now();
        // The first mask with it: it finds out what is too ambiguous, and warms the way to the others.
        new SequenceMatcher(grammarOf(message.spec)).writeMask(new Uint32Array(maskWords()));
        return { kind: 'compiled', request: message.request, milliseconds: performance.now() - start };
      });
    case 'open':
      return open(message.sequence, message.spec, new MaskBuffer(message.memory));
    case 'accept':
      return accept(message.sequence, message.id);
    case 'close':
      sequences.delete(message.sequence);
      return;
    case 'count':
      return reply(message.request, () => ({
        kind: 'count',
        request: message.request,
        sequences: sequences.size,
        grammars: grammars.size,
      }));
  }
  message satisfies never;
});

function reply(request: number, work: () => GrammarReply): void {
  let answer: GrammarReply;
  try {
    answer = work();
  } catch (error) {
    answer = { kind: 'error', request, isInput: error instanceof InputError, message: messageOf(error) };
  }
  parentPort?.postMessage(answer);
}

function open(sequence: number, spec: string, buffer: MaskBuffer): void {
  buffer.publish((mask) => {
    const matcher = new SequenceMatcher(grammarOf(spec));
    sequences.set(sequence, { matcher, buffer });
    matcher.writeMask(mask);
  });
}

function accept(sequence: number, id: number): void {
  const open = sequences.get(sequence);
  open?.buffer.publish((mask) => {
    open.matcher.accept(id);
    open.matcher.writeMask(mask);
  });
}

function grammarOf(spec: string): TokenGrammar {
  const known = grammars.get(spec);
  // Plain data that went through JSON.stringify at the other end.
  const parsed = () => JSON.parse(spec) as GrammarSpec;
  const grammar = known ?? new TokenGrammar(compileGrammar(parsed(), tries.tokens.maxTokenBytes), tries);
  grammars.delete(spec);
  grammars.set(spec, grammar);
  const oldest = grammars.keys().next();
  if (grammars.size > MAX_GRAMMARS && !oldest.done) grammars.delete(oldest.value);
  return grammar;
}

function maskWords(): number {
  return (tries.vocabulary.size + 31) >>> 5;
}
