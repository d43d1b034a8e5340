/** The thread that computes masks; does what mask-thread.ts sends. Grammars come to it compiled. */
import { parentPort, workerData } from 'node:worker_threads';
import { GrammarAutomaton } from './grammar-automaton.js';
import { MaskBuffer } from './mask-buffer.js';
import { type PackedGrammar, unpackGrammar } from './packed-grammar.js';
import { SequenceMatcher, TokenGrammar, VocabularyTries } from './sequence-matcher.js';
import type { TokenVocabulary } from './token-vocabulary.js';

export type MaskMessage =
  | { readonly kind: 'load'; readonly grammar: number; readonly packed: PackedGrammar }
  /** Sequences that follow it keep it. */
  | { readonly kind: 'forget'; readonly grammar: number }
  | {
      readonly kind: 'open';
      readonly sequence: number;
      readonly grammar: number;
      readonly memory: SharedArrayBuffer;
    }
  | { readonly kind: 'accept'; readonly sequence: number; readonly id: number }
  | { readonly kind: 'close'; readonly sequence: number }
  | { readonly kind: 'count' };

export type MaskReply =
  /** A mask that somebody waits for is there. */
  | { readonly kind: 'ready'; readonly sequence: number }
  | { readonly kind: 'count'; readonly sequences: number; readonly grammars: number };

interface Sequence {
  readonly matcher: SequenceMatcher | undefined;
  readonly buffer: MaskBuffer;
}

// Read as sent by mask-thread.ts, which starts this thread.
const tries = new VocabularyTries(workerData as TokenVocabulary);
const grammars = new Map<number, TokenGrammar>();
const sequences = new Map<number, Sequence>();

parentPort?.on('message', (message: MaskMessage) => {
  switch (message.kind) {
    case 'load': {
      const automaton = new GrammarAutomaton(unpackGrammar(message.packed), tries.tokens.maxTokenBytes);
      grammars.set(message.grammar, new TokenGrammar(automaton, tries));
      return;
    }
    case 'forget':
      grammars.delete(message.grammar);
      return;
    case 'open':
      return open(message.sequence, message.grammar, new MaskBuffer(message.memory));
    case 'accept':
      return accept(message.sequence, message.id);
    case 'close':
      sequences.delete(message.sequence);
      return;
    case 'count':
      return reply({ kind: 'count', sequences: sequences.size, grammars: grammars.size });
    default:
      message satisfies never;
  }
});

function open(sequence: number, id: number, buffer: MaskBuffer): void {
  const grammar = grammars.get(id);
  const matcher = grammar === undefined ? undefined : new SequenceMatcher(grammar);
  sequences.set(sequence, { matcher, buffer });
  publish(sequence, buffer, (mask) => {
    if (matcher === undefined) throw new Error(`There is no grammar ${id}.`);
    matcher.writeMask(mask);
  });
}

function accept(sequence: number, id: number): void {
  const open = sequences.get(sequence);
  if (open === undefined) return;
  publish(sequence, open.buffer, (mask) => {
    open.matcher?.accept(id);
    open.matcher?.writeMask(mask);
  });
}

function publish(sequence: number, buffer: MaskBuffer, compute: (mask: Uint32Array) => void): void {
  if (buffer.publish(compute)) reply({ kind: 'ready', sequence });
}

function reply(message: MaskReply): void {
  parentPort?.postMessage(message);
}
