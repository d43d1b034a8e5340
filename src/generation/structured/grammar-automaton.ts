/** The automaton that follows a text through a byte grammar. */
import { InputError } from '../../errors/index.js';
import type { GrammarNode, MachineNode } from './byte-grammar.js';
import type { ReadyGrammar } from './packed-grammar.js';

/** A place in the grammar and what is to come after it. */
interface Frame {
  readonly id: number;
  /** Undefined at the bottom of every stack: the end of the text. */
  readonly node: GrammarNode | undefined;
  /** Items or bytes done; of a repetition, rounds done; of a machine, its state. */
  readonly at: number;
  readonly parent: Frame | undefined;
  /** Alike for frames that no token can tell apart, because their counts differ only beyond its length. -1: not known. */
  horizon: number;
  children: Map<number, Frame> | undefined;
}

/** All the places where a text may be in the grammar after some bytes. */
export interface AutomatonState {
  /** Frames whose node takes a byte next. */
  readonly frames: readonly Frame[];
  readonly isAccepting: boolean;
  /** See `GrammarAutomaton.maskKey`. */
  maskKey: string | undefined;
  /** By class of byte: the next state, null if there is none, undefined if it has not been asked for. */
  readonly next: (AutomatonState | null | undefined)[];
}

/** Ambiguity that a sane grammar does not come near. */
const MAX_FRAMES_PER_STATE = 16_384;
/** Work that one mask may cost, in visits of grammar nodes: some tenths of a second. */
const MAX_VISITS_PER_MASK = 1_000_000;
/** Memory of some 10 MB for each grammar. */
const MAX_KEPT_FRAMES = 100_000;

/**
 * Follows texts through a grammar byte by byte, all alternatives at once, and never goes back: the time for a byte is
 * bounded by the number of alternatives. States are made when first reached and kept.
 */
export class GrammarAutomaton {
  readonly #productive: Uint8Array;
  readonly #classOf: Uint8Array;
  readonly #horizonBytes: number;
  readonly #maxKeptFrames: number;
  #bottom!: Frame;
  #numFrames = 0;
  #numHorizons = 0;
  #horizons = new Map<string, number>();
  #states = new Map<string, AutomatonState>();
  #keptFrames = 0;
  #visits = 0;
  #initial!: AutomatonState;
  readonly #root: GrammarNode;

  /**
   * @param maxTokenBytes length of the longest token
   * @param maxKeptFrames frames of all states that are kept for the next time
   * @throws InputError if no finite text matches
   */
  constructor(
    { root, productive, byteClasses }: ReadyGrammar,
    maxTokenBytes: number,
    maxKeptFrames = MAX_KEPT_FRAMES,
  ) {
    this.#maxKeptFrames = maxKeptFrames;
    this.#productive = productive;
    this.#classOf = byteClasses;
    this.#horizonBytes = maxTokenBytes + 1;
    this.#root = root;
    if (this.#productive[root.id] !== 1) {
      throw new InputError(
        'The grammar allows no text that ends: its parts contradict each other, or a schema requires itself within itself without an end.',
      );
    }
    this.#reset();
  }

  /** Before the first byte. */
  get initial(): AutomatonState {
    return this.#initial;
  }

  /** Begins the work on one mask, whose cost is bounded. */
  startMask(): void {
    this.#visits = 0;
    // States that sequences hold stay good; they only are no longer found.
    if (this.#keptFrames > this.#maxKeptFrames) this.#reset();
  }

  /** Work since `startMask`, in visits of grammar nodes; none where states were known. */
  get visits(): number {
    return this.#visits;
  }

  /** @throws InputError if the grammar is so ambiguous that following it costs too much */
  step(state: AutomatonState, byte: number): AutomatonState | undefined {
    const byteClass = this.#classOf[byte]!;
    const known = state.next[byteClass];
    if (known !== undefined) return known ?? undefined;
    const closure = new Closure();
    for (const frame of state.frames) {
      const { node, at, parent } = frame;
      if (node?.kind === 'bytes') {
        if (node.set[byte] === 1) closure.resume(parent!);
      } else if (node?.kind === 'literal' && node.bytes[at] === byte) {
        if (at + 1 < node.bytes.length) closure.frames.add(this.#frame(node, at + 1, parent!));
        else closure.resume(parent!);
      } else if (node?.kind === 'machine') {
        const state = node.machine.step(at, byte);
        if (state >= 0) this.#enterMachine(node, state, parent!, closure);
      }
    }
    const next = this.#close(closure);
    state.next[byteClass] = next ?? null;
    return next;
  }

  #reset(): void {
    this.#horizons = new Map();
    this.#states = new Map();
    this.#keptFrames = 0;
    this.#bottom = {
      id: this.#numFrames++,
      node: undefined,
      at: 0,
      parent: undefined,
      horizon: 0,
      children: undefined,
    };
    const closure = new Closure();
    closure.enter(this.#root, this.#bottom);
    const initial = this.#close(closure);
    if (initial === undefined) throw new Error('A productive grammar has no first state.');
    this.#initial = initial;
  }

  /** The state of all frames that can be reached without a byte. */
  #close(closure: Closure): AutomatonState | undefined {
    for (let work = closure.next(); work !== undefined; work = closure.next()) {
      if (++this.#visits > MAX_VISITS_PER_MASK || closure.frames.size > MAX_FRAMES_PER_STATE) {
        throw tooAmbiguous();
      }
      const { node, parent } = work;
      if (node === undefined) this.#resume(parent, closure);
      else if (this.#productive[node.id] === 1) this.#enter(node, parent, closure);
    }
    if (closure.frames.size === 0 && !closure.isAccepting) return undefined;
    return this.#state([...closure.frames], closure.isAccepting);
  }

  #enter(node: GrammarNode, parent: Frame, closure: Closure): void {
    switch (node.kind) {
      case 'bytes':
      case 'literal':
        closure.frames.add(this.#frame(node, 0, parent));
        return;
      case 'sequence':
        this.#enterItem(node, 0, parent, closure);
        return;
      case 'choice':
        for (const option of node.options) closure.enter(option, parent);
        return;
      case 'repeat':
        this.#enterRound(node, 0, parent, closure);
        return;
      case 'rule':
        closure.enter(node.target!, parent);
        return;
      case 'machine':
        this.#enterMachine(node, node.machine.start, parent, closure);
        return;
    }
    node satisfies never;
  }

  /** What comes after a frame's node is done. */
  #resume(frame: Frame, closure: Closure): void {
    const { node, at, parent } = frame;
    if (node === undefined) closure.isAccepting = true;
    else if (node.kind === 'sequence') this.#enterItem(node, at, parent!, closure);
    else if (node.kind === 'repeat') this.#enterRound(node, at, parent!, closure);
  }

  #enterItem(
    node: Extract<GrammarNode, { kind: 'sequence' }>,
    at: number,
    parent: Frame,
    closure: Closure,
  ): void {
    const item = node.items[at];
    if (item === undefined) {
      closure.resume(parent);
      return;
    }
    // The last item returns to where the sequence would: right recursion does not grow the stack.
    const isLast = at === node.items.length - 1;
    closure.enter(item, isLast ? parent : this.#frame(node, at + 1, parent));
  }

  #enterRound(
    node: Extract<GrammarNode, { kind: 'repeat' }>,
    done: number,
    parent: Frame,
    closure: Closure,
  ): void {
    // Without an upper bound, rounds beyond the lower one need not be counted.
    const rounds = node.max === Number.POSITIVE_INFINITY ? Math.min(done + 1, node.min) : done + 1;
    if (done < node.max) closure.enter(node.body, this.#frame(node, rounds, parent));
    if (done >= node.min) closure.resume(parent);
  }

  #enterMachine(node: MachineNode, state: number, parent: Frame, closure: Closure): void {
    closure.frames.add(this.#frame(node, state, parent));
    if (node.machine.isAccepting(state)) closure.resume(parent);
  }

  #frame(node: GrammarNode, at: number, parent: Frame): Frame {
    // Fewer than 2^18 nodes, places below 2^32.
    const key = node.id * 0x100000000 + at;
    parent.children ??= new Map();
    let frame = parent.children.get(key);
    if (frame === undefined) {
      frame = { id: this.#numFrames++, node, at, parent, horizon: -1, children: undefined };
      parent.children.set(key, frame);
    }
    return frame;
  }

  /** States of equal key allow the same tokens. */
  maskKey(state: AutomatonState): string {
    if (state.maskKey === undefined) {
      const horizons = new Set(state.frames.map((frame) => this.#horizonOf(frame)));
      state.maskKey = `${state.isAccepting}${[...horizons].sort((a, b) => a - b).join(',')}`;
    }
    return state.maskKey;
  }

  #horizonOf(frame: Frame): number {
    // Not by recursion: stacks may be many thousands deep.
    const unknown: Frame[] = [];
    for (let each = frame; each.horizon < 0; each = each.parent!) unknown.push(each);
    for (const each of unknown.reverse()) {
      const key = `${each.node!.id}:${this.#positionOf(each)}:${each.parent!.horizon}`;
      // Numbers are never used again: frames of before a reset may still be about.
      each.horizon = this.#horizons.get(key) ?? ++this.#numHorizons;
      this.#horizons.set(key, each.horizon);
    }
    return frame.horizon;
  }

  #positionOf({ node, at }: Frame): string {
    if (node?.kind === 'machine') return `${node.machine.positionOf(at, this.#horizonBytes)}`;
    if (node?.kind !== 'repeat') return `${at}`;
    const toMin = Math.min(Math.max(node.min - at, 0), this.#horizonBytes);
    return `${toMin}-${Math.min(node.max - at, this.#horizonBytes)}`;
  }

  #state(frames: Frame[], isAccepting: boolean): AutomatonState {
    frames.sort((a, b) => a.id - b.id);
    const key = `${isAccepting}${frames.map(({ id }) => id).join(',')}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const state = { frames, isAccepting, maskKey: undefined, next: [] };
    this.#states.set(key, state);
    // A state itself weighs about as much as some frames.
    this.#keptFrames += frames.length + 8;
    return state;
  }
}

export function tooAmbiguous(): InputError {
  return new InputError(
    'The grammar is too ambiguous: the same text can be read in too many ways. Avoid repetitions within repetitions that can match the same text.',
  );
}

/** What is still to be visited, and what has been found, on the way to one state. */
class Closure {
  readonly frames = new Set<Frame>();
  isAccepting = false;
  readonly #work: { node: GrammarNode | undefined; parent: Frame }[] = [];
  readonly #seen = new Set<number>();

  enter(node: GrammarNode, parent: Frame): void {
    this.#add(node, node.id + 1, parent);
  }

  resume(parent: Frame): void {
    this.#add(undefined, 0, parent);
  }

  next(): { node: GrammarNode | undefined; parent: Frame } | undefined {
    return this.#work.pop();
  }

  #add(node: GrammarNode | undefined, nodeKey: number, parent: Frame): void {
    const key = parent.id * 0x40000 + nodeKey;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#work.push({ node, parent });
  }
}
