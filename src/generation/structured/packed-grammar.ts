/**
 * A grammar as a few arrays: what the thread that compiles hands to the one that makes masks. Thousands of small objects would
 * take hundreds of milliseconds to cross, in which no mask is made.
 */
import { type ByteMachine, type GrammarNode, productiveNodes } from './byte-grammar.js';
import { type MachineTables, machineOf } from './machine-tables.js';

export interface PackedGrammar {
  /** For each node in order: its kind, and what that kind has. */
  readonly code: Float64Array;
  readonly count: number;
  readonly root: number;
  /** Sets of bytes, 256 entries each. */
  readonly sets: Uint8Array;
  readonly literals: Uint8Array;
  readonly machines: readonly MachineTables[];
  /** By node: 1 where some finite text matches. */
  readonly productive: Uint8Array;
  /** Bytes that no node tells apart are of one class. */
  readonly byteClasses: Uint8Array;
}

/** A grammar that can be followed. */
export interface ReadyGrammar {
  readonly root: GrammarNode;
  readonly productive: Uint8Array;
  readonly byteClasses: Uint8Array;
}

const BYTES = 0;
const LITERAL = 1;
const SEQUENCE = 2;
const CHOICE = 3;
const REPEAT = 4;
const RULE = 5;
const MACHINE = 6;
/** A rule that was never given a target. */
const NOTHING = -1;

/** @param nodes all of them, children before their parents but for the targets of rules */
export function packGrammar(nodes: readonly GrammarNode[], root: GrammarNode): PackedGrammar {
  const sets = new SetTable();
  const literals: Uint8Array[] = [];
  let literalBytes = 0;
  const machines: ByteMachine[] = [];
  const code: number[] = [];
  for (const node of nodes)
    switch (node.kind) {
      case 'bytes':
        code.push(BYTES, sets.indexOf(node.set));
        break;
      case 'literal':
        code.push(LITERAL, literalBytes, node.bytes.length);
        literals.push(node.bytes);
        literalBytes += node.bytes.length;
        break;
      case 'sequence':
        code.push(SEQUENCE, node.items.length);
        for (const { id } of node.items) code.push(id);
        break;
      case 'choice':
        code.push(CHOICE, node.options.length);
        for (const { id } of node.options) code.push(id);
        break;
      case 'repeat':
        code.push(REPEAT, node.body.id, node.min, node.max);
        break;
      case 'rule':
        code.push(RULE, node.target?.id ?? NOTHING);
        break;
      case 'machine':
        code.push(MACHINE, machines.push(node.machine) - 1);
        break;
      default:
        node satisfies never;
    }
  const allLiterals = new Uint8Array(Buffer.concat(literals));
  return {
    code: Float64Array.from(code),
    count: nodes.length,
    root: root.id,
    sets: sets.packed,
    literals: allLiterals,
    machines: machines.map(({ tables }) => tables),
    productive: productiveNodes(nodes),
    byteClasses: byteClasses(sets.all, allLiterals, machines),
  };
}

export function unpackGrammar(packed: PackedGrammar): ReadyGrammar {
  const { code, count, sets, literals, productive } = packed;
  const machines = packed.machines.map(machineOf);
  const nodes: GrammarNode[] = [];
  const targets: [Extract<GrammarNode, { kind: 'rule' }>, number][] = [];
  let at = 0;
  const next = (): number => {
    const value = code[at++];
    if (value === undefined) throw new RangeError('the packed grammar ends within a node');
    return value;
  };
  const node = (id: number): GrammarNode => {
    const found = nodes[id];
    if (found === undefined) throw new RangeError(`the packed grammar has no node ${id}`);
    return found;
  };
  const children = (): GrammarNode[] => Array.from({ length: next() }, () => node(next()));
  for (let id = 0; id < count; id++) {
    const kind = next();
    switch (kind) {
      case BYTES: {
        const start = 256 * next();
        nodes.push({ kind: 'bytes', id, set: sets.subarray(start, start + 256) });
        break;
      }
      case LITERAL: {
        const start = next();
        nodes.push({ kind: 'literal', id, bytes: literals.subarray(start, start + next()) });
        break;
      }
      case SEQUENCE:
        nodes.push({ kind: 'sequence', id, items: children() });
        break;
      case CHOICE:
        nodes.push({ kind: 'choice', id, options: children() });
        break;
      case REPEAT:
        nodes.push({ kind: 'repeat', id, body: node(next()), min: next(), max: next() });
        break;
      case RULE: {
        const rule: Extract<GrammarNode, { kind: 'rule' }> = { kind: 'rule', id, target: undefined };
        targets.push([rule, next()]);
        nodes.push(rule);
        break;
      }
      case MACHINE: {
        const machine = machines[next()];
        if (machine === undefined) throw new RangeError('the packed grammar lacks a machine');
        nodes.push({ kind: 'machine', id, machine });
        break;
      }
      default:
        throw new RangeError(`the packed grammar has a node of kind ${kind}`);
    }
  }
  for (const [rule, target] of targets) rule.target = target === NOTHING ? undefined : node(target);
  return { root: node(packed.root), productive, byteClasses: packed.byteClasses };
}

/** Each set once, however many nodes have it. */
class SetTable {
  readonly all: Uint8Array[] = [];
  readonly #indices = new Map<string, number>();
  /** The same set is often the same object. */
  readonly #byObject = new Map<Uint8Array, number>();

  indexOf(set: Uint8Array): number {
    const known = this.#byObject.get(set);
    if (known !== undefined) return known;
    const key = Buffer.from(set.buffer, set.byteOffset, set.length).toString('latin1');
    const index = this.#indices.get(key) ?? this.all.push(set) - 1;
    this.#indices.set(key, index);
    this.#byObject.set(set, index);
    return index;
  }

  get packed(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.all));
  }
}

function byteClasses(
  sets: readonly Uint8Array[],
  literals: Uint8Array,
  machines: readonly ByteMachine[],
): Uint8Array {
  let classOf = new Uint8Array(256);
  const split = (member: (byte: number) => number): void => {
    const classes = new Map<number, number>();
    const refined = new Uint8Array(256);
    for (let byte = 0; byte < 256; byte++) {
      const key = (classOf[byte] ?? 0) * 0x10000 + member(byte);
      const known = classes.get(key) ?? classes.size;
      classes.set(key, known);
      refined[byte] = known;
    }
    classOf = refined;
  };
  for (const set of sets) split((byte) => set[byte] ?? 0);
  for (const classes of new Set(machines.map((machine) => machine.byteClasses)))
    split((byte) => classes[byte] ?? 0);
  for (const single of new Set(literals)) split((byte) => (byte === single ? 1 : 0));
  return classOf;
}
