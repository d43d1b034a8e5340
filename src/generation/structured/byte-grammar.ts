/** Context-free grammars over bytes, and a builder for them. */
import { InputError } from '../../errors/index.js';
import type { MachineTables } from './machine-tables.js';

/** A context-free grammar over bytes: which byte strings belong to it. Nodes may be shared; rules make cycles. */
export type GrammarNode =
  | BytesNode
  | LiteralNode
  | SequenceNode
  | ChoiceNode
  | RepeatNode
  | RuleNode
  | MachineNode;

/** One byte of a set. */
export interface BytesNode {
  readonly kind: 'bytes';
  readonly id: number;
  /** 256 entries, 1 where the byte belongs to the set. */
  readonly set: Uint8Array;
}

/** At least one byte, in order. */
export interface LiteralNode {
  readonly kind: 'literal';
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** The empty string if it has no items. */
export interface SequenceNode {
  readonly kind: 'sequence';
  readonly id: number;
  readonly items: readonly GrammarNode[];
}

/** Nothing at all if it has no options. */
export interface ChoiceNode {
  readonly kind: 'choice';
  readonly id: number;
  readonly options: readonly GrammarNode[];
}

export interface RepeatNode {
  readonly kind: 'repeat';
  readonly id: number;
  readonly body: GrammarNode;
  readonly min: number;
  /** May be Infinity. */
  readonly max: number;
}

/** A name for what is defined later, so that a grammar may contain itself. */
export interface RuleNode {
  readonly kind: 'rule';
  readonly id: number;
  target: GrammarNode | undefined;
}

/** The texts that a state machine accepts: for what would need too many nodes. */
export interface MachineNode {
  readonly kind: 'machine';
  readonly id: number;
  readonly machine: ByteMachine;
}

/** A deterministic machine over bytes. From each of its states some accepted text can be reached. */
export interface ByteMachine {
  readonly start: number;
  /** 256 entries: bytes of equal number are never told apart. */
  readonly byteClasses: Uint16Array;
  /** The state after a byte; -1 if no text goes on so. */
  step(state: number, byte: number): number;
  isAccepting(state: number): boolean;
  /** Equal for states that no text of so many bytes tells apart. */
  positionOf(state: number, horizonBytes: number): number | string;
  /** The machine as plain data, which can cross to another thread. */
  readonly tables: MachineTables;
}

/** More than any schema of 64 KB needs; bounds the time of compilation. */
const MAX_NODES = 200_000;
/** By the clock, and a busy machine may take many times what an idle one does. The thread is killed at twice as much. */
const MAX_MILLISECONDS = 2000;

/** Makes the nodes of one grammar. Children are made before their parents, except the targets of rules. */
export class GrammarBuilder {
  readonly nodes: GrammarNode[] = [];
  readonly #maxMilliseconds: number;
  readonly #deadline: number;
  readonly empty: GrammarNode;
  /** What no text matches. */
  readonly nothing: GrammarNode;

  /** @param maxMilliseconds after which the work ends with an InputError; default 1000 */
  constructor(maxMilliseconds = MAX_MILLISECONDS) {
    this.#maxMilliseconds = maxMilliseconds;
    this.#deadline = performance.now() + maxMilliseconds;
    this.empty = this.sequence([]);
    this.nothing = this.choice([]);
  }

  bytes(set: Uint8Array): BytesNode {
    return this.#add({ kind: 'bytes', id: this.nodes.length, set });
  }

  /** @param text UTF-16; '' gives the empty node */
  literal(text: string | Uint8Array): GrammarNode {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    if (bytes.length === 0) return this.empty;
    return this.#add({ kind: 'literal', id: this.nodes.length, bytes });
  }

  sequence(items: readonly GrammarNode[]): GrammarNode {
    if (items.length === 1) return items[0]!;
    return this.#add({ kind: 'sequence', id: this.nodes.length, items });
  }

  choice(options: readonly GrammarNode[]): GrammarNode {
    if (options.length === 1) return options[0]!;
    return this.#add({ kind: 'choice', id: this.nodes.length, options });
  }

  repeat(body: GrammarNode, min: number, max: number): GrammarNode {
    return this.#add({ kind: 'repeat', id: this.nodes.length, body, min, max });
  }

  optional(body: GrammarNode): GrammarNode {
    return this.repeat(body, 0, 1);
  }

  machine(machine: ByteMachine): MachineNode {
    return this.#add({ kind: 'machine', id: this.nodes.length, machine });
  }

  rule(): RuleNode {
    return this.#add({ kind: 'rule', id: this.nodes.length, target: undefined });
  }

  /** Any of the texts; those that begin alike share their beginning, so that many cost little. */
  literals(texts: readonly (string | Uint8Array)[]): GrammarNode {
    const sorted = texts
      .map((text) => (typeof text === 'string' ? Buffer.from(text) : text))
      .sort((a, b) => Buffer.compare(a, b));
    return this.#sharedPrefixes(sorted, 0, sorted.length, 0);
  }

  /** The texts from..to, which agree in their first `depth` bytes. */
  #sharedPrefixes(sorted: readonly Uint8Array[], from: number, to: number, depth: number): GrammarNode {
    const options: GrammarNode[] = [];
    let at = from;
    while (at < to && sorted[at]!.length === depth) at += 1;
    if (at > from) options.push(this.empty);
    while (at < to) {
      let end = at + 1;
      while (end < to && sorted[end]![depth] === sorted[at]![depth]) end += 1;
      const length = commonPrefix(sorted[at]!, sorted[end - 1]!);
      const head = this.literal(sorted[at]!.subarray(depth, length));
      const isLeaf = sorted[at]!.length === length && sorted[end - 1]!.length === length;
      options.push(isLeaf ? head : this.sequence([head, this.#sharedPrefixes(sorted, at, end, length)]));
      at = end;
    }
    return this.choice(options);
  }

  #add<Node extends GrammarNode>(node: Node): Node {
    if (this.nodes.length >= MAX_NODES) {
      throw new InputError(
        `The grammar is too large: it needs more than ${MAX_NODES} parts. Give a smaller schema, pattern or list.`,
      );
    }
    if (this.nodes.length % 1024 === 0) this.checkTime();
    this.nodes.push(node);
    return node;
  }

  /** For work that makes no nodes: to be called now and then. @throws InputError once it takes too long */
  checkTime(): void {
    if (performance.now() <= this.#deadline) return;
    throw new InputError(
      `The grammar takes longer than ${this.#maxMilliseconds} ms to compile. Give a smaller schema, pattern or list.`,
    );
  }
}

function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

/** Per node id: 1 where some finite text matches. */
export function productiveNodes(nodes: readonly GrammarNode[]): Uint8Array {
  const productive = new Uint8Array(nodes.length);
  const isProductive = (node: GrammarNode): boolean => {
    switch (node.kind) {
      case 'bytes':
        return node.set.includes(1);
      case 'literal':
      case 'machine':
        return true;
      case 'sequence':
        return node.items.every((item) => productive[item.id] === 1);
      case 'choice':
        return node.options.some((option) => productive[option.id] === 1);
      case 'repeat':
        return node.min === 0 || productive[node.body.id] === 1;
      case 'rule':
        return node.target !== undefined && productive[node.target.id] === 1;
    }
    node satisfies never;
    return false;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of nodes) {
      if (productive[node.id] === 1 || !isProductive(node)) continue;
      productive[node.id] = 1;
      changed = true;
    }
  }
  return productive;
}
