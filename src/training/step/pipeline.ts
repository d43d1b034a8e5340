/** The stages of a model that lie on several ranks, as one of them sees them; and what goes from chunk to chunk. */
import type { CausalLm } from '../../models/index.js';
import { MixtureOfExperts } from '../../nn/index.js';
import {
  cat,
  type DType,
  empty,
  generatorState,
  noGrad,
  type RandomGenerator,
  restoreGenerator,
  type Tensor,
} from '../../tensor/index.js';
import { packRouting, type RoutingSums, unpackRouting } from './routing-balance.js';
import type { SegmentRange } from './segment-pass.js';
import { type ModelInput, routingOf } from './segments.js';

export interface Pipeline {
  /** Of this rank. */
  readonly stage: number;
  readonly stages: number;
  readonly chunksPerStage: number;
  /** The segments of each chunk of the model, in its order; chunk c is on the stage c mod `stages`. */
  readonly chunks: readonly SegmentRange[];
  /** The first segment of the model that has something to train. */
  readonly firstTrained: number;
  /** @param tensor contiguous, not changed any more */
  send(tensor: Tensor, stage: number, tag: number): SentTensor;
  /** @param into contiguous, is overwritten; there when this returns */
  receive(into: Tensor, stage: number, tag: number): Tensor;
}

/** Held until `wait` was called, which has to be; it returns when the other stage has it. */
export interface SentTensor {
  wait(): void;
}

/** What a chunk hands to the next. */
export interface ForwardMessage {
  readonly hidden: Tensor; // [B, t, D]
  /** Of all chunks so far; empty: none has experts. */
  readonly routing: readonly RoutingSums[];
}

/** What is sent between two chunks, in this order. */
const KINDS = ['hidden', 'draws', 'routing', 'gradient', 'routing gradient'] as const;
type Kind = (typeof KINDS)[number];

/** Which message: the chunk that sends it, of which micro-batch. */
export interface MessagePlace {
  readonly microBatch: number;
  readonly chunk: number;
}

export interface ChunkMessagesOptions {
  readonly model: CausalLm;
  readonly pipeline: Pipeline;
  /** What the chunks draw from; undefined: they draw nothing. */
  readonly generator: RandomGenerator | undefined;
  /** Does the last chunk want to know how the experts of all shared the tokens? */
  readonly passesRouting: boolean;
}

export interface SentMessage {
  readonly tensor: SentTensor;
  /** The chunk that takes it. */
  readonly to: MessagePlace;
  readonly stage: number;
  readonly direction: 'forward' | 'backward';
}

/** The messages of one model's chunks. */
export class ChunkMessages {
  readonly #model: CausalLm;
  readonly #pipeline: Pipeline;
  /** Each chunk goes on to draw where the one before it has stopped. */
  readonly #generator: RandomGenerator | undefined;
  readonly #passesRouting: boolean;
  readonly #noteSent: (sent: SentMessage) => void;

  /** @param noteSent waits for it, sooner or later */
  constructor(
    { model, pipeline, generator, passesRouting }: ChunkMessagesOptions,
    noteSent: (sent: SentMessage) => void,
  ) {
    this.#model = model;
    this.#pipeline = pipeline;
    this.#generator = generator;
    this.#passesRouting = passesRouting;
    this.#noteSent = noteSent;
  }

  /** What the next chunk reads. @param routing of this chunk and those before it */
  sendForward(place: MessagePlace, { hidden, routing }: ForwardMessage): void {
    const { computeDType } = this.#model;
    if (hidden.dtype !== computeDType)
      throw new TypeError(`a hidden state of ${hidden.dtype} in a model of ${computeDType}`);
    this.#sendAs(
      'hidden',
      place,
      noGrad(() => hidden.detach().contiguous()),
    );
    if (this.#generator !== undefined) this.#sendAs('draws', place, generatorState(this.#generator));
    const packed = packRouting(routing);
    if (packed !== undefined && this.#passesRouting)
      this.#sendAs('routing', place, packed.to('float64').contiguous());
  }

  /** @param place of the chunk that has sent it @param input of this one */
  receiveForward(place: MessagePlace, { inputIds }: ModelInput): ForwardMessage {
    const [rows = 0, length = 0] = inputIds.shape;
    const { computeDType, edges, shape } = this.#model;
    const tokens = edges?.tokensBetween(length) ?? length;
    const hidden = this.#receive('hidden', place, [rows, tokens, shape.hiddenSize], computeDType);
    this.receiveDraws(place);
    const { experts } = shape;
    const layers = this.#passesRouting ? this.#layersWithExperts(place.chunk) : 0;
    if (experts === undefined || layers === 0) return { hidden, routing: [] };
    const packed = this.#receive('routing', place, [layers, 2, experts.count], 'float64');
    return { hidden, routing: unpackRouting(packed, experts.perToken) };
  }

  /** Of the chunks before this one, and of it: exact sums. */
  routingAfter(before: readonly RoutingSums[], own: readonly RoutingSums[]): readonly RoutingSums[] {
    const packed = packRouting(routingOf(this.#model, own))?.to('float64');
    if (packed === undefined) return before;
    const earlier = packRouting(before);
    return unpackRouting(earlier === undefined ? packed : cat([earlier, packed]), own[0]?.perToken ?? 0);
  }

  sendGradient(place: MessagePlace, gradient: Tensor, routingGradient: Tensor | undefined): void {
    this.#sendAs('gradient', place, gradient.contiguous());
    if (routingGradient !== undefined)
      this.#sendAs('routing gradient', place, routingGradient.to('float64').contiguous());
  }

  /** @param like the hidden state that it is the gradient of @param hasRouting a gradient by routing comes with it */
  receiveGradient(
    place: MessagePlace,
    like: readonly number[],
    hasRouting: boolean,
  ): { readonly gradient: Tensor; readonly routingGradient: Tensor | undefined } {
    const gradient = this.#receive('gradient', place, like, this.#model.computeDType);
    const { experts } = this.#model.shape;
    return {
      gradient,
      routingGradient:
        hasRouting && experts !== undefined
          ? this.#receive('routing gradient', place, [experts.count], 'float64')
          : undefined,
    };
  }

  /** Where the last chunk has stopped to draw, for the first. */
  sendDraws(place: MessagePlace): void {
    if (this.#generator !== undefined) this.#sendAs('draws', place, generatorState(this.#generator));
  }

  receiveDraws(place: MessagePlace): void {
    const generator = this.#generator;
    if (generator === undefined) return;
    const { shape } = generatorState(generator);
    restoreGenerator(generator, this.#receive('draws', place, shape, 'uint8'));
  }

  #sendAs(kind: Kind, place: MessagePlace, tensor: Tensor): void {
    const { stages, chunks } = this.#pipeline;
    const direction = kind === 'gradient' || kind === 'routing gradient' ? 'backward' : 'forward';
    // Behind the last chunk comes the first one.
    const chunk = (place.chunk + (direction === 'forward' ? 1 : -1)) % chunks.length;
    const stage = chunk % stages;
    const sent = this.#pipeline.send(tensor, stage, this.#tagOf(kind, place));
    this.#noteSent({ tensor: sent, to: { microBatch: place.microBatch, chunk }, stage, direction });
  }

  #receive(kind: Kind, place: MessagePlace, shape: readonly number[], dtype: DType): Tensor {
    const { stages } = this.#pipeline;
    // The state of a generator is in the memory of the CPU, whatever it draws on.
    const device = kind === 'draws' ? 'cpu' : this.#model.device;
    const into = empty(shape, { dtype, device });
    return this.#pipeline.receive(into, place.chunk % stages, this.#tagOf(kind, place));
  }

  #tagOf(kind: Kind, { microBatch, chunk }: MessagePlace): number {
    return (microBatch * this.#pipeline.chunks.length + chunk) * KINDS.length + KINDS.indexOf(kind);
  }

  /** In the chunks up to this one. */
  #layersWithExperts(chunk: number): number {
    const end = this.#pipeline.chunks[chunk]?.end ?? 0;
    // The first segment is the embedding.
    return this.#model.layers.slice(0, end - 1).filter((layer) => {
      for (const [, module] of layer.namedModules()) if (module instanceof MixtureOfExperts) return true;
      return false;
    }).length;
  }
}
