/**
 * The collectives of a group of processes. All processes of the group call the same ones in the same order; what a call
 * returns is there once `wait` has been called. A group of one process answers at once.
 */
import {
  floatTensor,
  noGrad,
  operator,
  type RegisteredGroup,
  type Store,
  scope,
  type Tensor,
  Transfer,
  zeros,
} from '../tensor/index.js';

const allReduceInPlace = operator('_c10d_functional::all_reduce_');
const allGatherInto = operator('_c10d_functional::all_gather_into_tensor_out');
const reduceScatter = operator('_c10d_functional::reduce_scatter_tensor');
const broadcastInPlace = operator('_c10d_functional::broadcast_');
const allToAll = operator('_c10d_functional::all_to_all_single');
const waitTensor = operator('_c10d_functional::wait_tensor');

/** A collective on its way. */
export interface Pending {
  /** Until the result is there, in the tensor that it goes to. @throws Error if another process is gone, or time is over */
  wait(): Tensor;
}

export interface GroupOptions {
  readonly name: string;
  /** Of this process in the group. */
  readonly rank: number;
  readonly size: number;
  /** Of each collective, in ms. */
  readonly timeout: number;
}

/** What a group of processes does together. */
export interface Collectives {
  /** Of this process in the group. */
  readonly rank: number;
  readonly size: number;
  /** In place: every process gets the sum, or the greatest, of all. @param values contiguous */
  allReduce(values: Tensor, operation?: 'sum' | 'max'): Pending;
  /** The parts of all processes one after the other. @param part contiguous @param whole takes them, size times as long */
  allGather(part: Tensor, whole: Tensor): Pending;
  /**
   * Sums over all processes; each gets the part of its rank, a tensor that the caller frees.
   * @param whole contiguous, its first dim divisible by the size; the caller's no more
   */
  reduceScatter(whole: Tensor): Pending;
  /** The numbers of every process, by rank: exact, in float64. Every process gives equally many. */
  gatherNumbers(values: readonly number[]): number[][];
  /** The texts of every process, by rank. */
  gatherTexts(text: string): string[];
}

export class ProcessGroup implements Collectives {
  readonly rank: number;
  readonly size: number;
  /** That operators find it by. */
  readonly name: string;
  readonly #registered: RegisteredGroup | undefined;

  /** A group of this process. */
  static alone(): ProcessGroup {
    return new ProcessGroup(undefined, { name: 'alone', rank: 0, size: 1, timeout: 0 });
  }

  /** @param store where its processes meet; needed for more than one */
  constructor(store: Store | undefined, { name, rank, size, timeout }: GroupOptions) {
    this.rank = rank;
    this.size = size;
    this.name = name;
    this.#registered = size > 1 ? store?.createGlooGroup(name, rank, size, timeout) : undefined;
  }

  allReduce(values: Tensor, operation: 'sum' | 'max' = 'sum'): Pending {
    if (this.size === 1) return done(values);
    return pending(noGrad(() => allReduceInPlace(values, operation, this.name)));
  }

  allGather(part: Tensor, whole: Tensor): Pending {
    if (this.size === 1) return done(noGrad(() => whole.copy_(part)));
    return pending(noGrad(() => allGatherInto(part, this.size, this.name, whole)));
  }

  reduceScatter(whole: Tensor): Pending {
    if (this.size === 1) return done(whole.keep());
    return pending(noGrad(() => reduceScatter(whole, 'sum', this.size, this.name)).keep());
  }

  /** In place: every process gets what the first one has. @param values contiguous */
  broadcast(values: Tensor): Pending {
    if (this.size === 1) return done(values);
    return pending(noGrad(() => broadcastInPlace(values, 0, this.name)));
  }

  /**
   * The parts of all processes, one after the other, on the first of them; the others get nothing, and have sent theirs when this returns.
   * @param part [n], contiguous @param lengths of the parts, by rank
   */
  gather(part: Tensor, lengths: readonly number[]): Tensor {
    if (this.size === 1) return part;
    const received = lengths.map((length) => (this.rank === 0 ? length : 0));
    const sent = lengths.map((_, rank) => (rank === 0 ? part.numElements : 0));
    return pending(noGrad(() => allToAll(part.contiguous(), received, sent, this.name))).wait();
  }

  gatherNumbers(values: readonly number[]): number[][] {
    if (this.size === 1) return [[...values]];
    return scope(() =>
      noGrad(() => {
        const part = floatTensor(values, [values.length], { dtype: 'float64' });
        const whole = zeros([values.length * this.size], { dtype: 'float64' });
        const flat = this.allGather(part, whole).wait().toArray();
        return Array.from({ length: this.size }, (_, rank) =>
          flat.slice(rank * values.length, (rank + 1) * values.length),
        );
      }),
    );
  }

  gatherTexts(text: string): string[] {
    if (this.size === 1) return [text];
    const bytes = Buffer.from(text);
    const longest = Math.max(...this.gatherNumbers([bytes.length]).flat());
    return this.gatherNumbers([bytes.length, ...padded(bytes, longest)]).map(([length = 0, ...codes]) =>
      Buffer.from(codes.slice(0, length)).toString(),
    );
  }

  /** To one process; not changed until it is there. @param values contiguous @returns to be waited for, sooner or later */
  send(values: Tensor, rank: number, tag: number): Pick<Transfer, 'wait'> {
    return Transfer.send(this.name, values, rank, tag);
  }

  /** From one process, which sends it with the same tag; there when this returns. @param values contiguous, is overwritten */
  receive(values: Tensor, rank: number, tag: number): Tensor {
    Transfer.receive(this.name, values, rank, tag).wait();
    return values;
  }

  dispose(): void {
    this.#registered?.dispose();
  }
}

function padded(bytes: Uint8Array, length: number): number[] {
  return Array.from({ length }, (_, index) => bytes[index] ?? 0);
}

function pending(values: Tensor): Pending {
  return {
    wait() {
      scope(() => noGrad(() => waitTensor(values)));
      return values;
    },
  };
}

function done(values: Tensor): Pending {
  return { wait: () => values };
}
