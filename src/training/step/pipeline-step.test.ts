/** The stages of a pipeline in one process, driven in turn as their plan says, against the step of one device. */
import { describe, expect, test } from 'vitest';
import { goldenFolder, maxAbsDifference } from '../../../tests/support/golden.js';
import { applyLora, initializeLora } from '../../lora/index.js';
import { type CausalLm, loadModel } from '../../models/index.js';
import {
  generatorState,
  intTensor,
  RandomGenerator,
  restoreGenerator,
  scope,
  type Tensor,
} from '../../tensor/index.js';
import type { ObjectiveBatch } from '../objective/objective.js';
import { GradientStore } from './gradient-store.js';
import type { MicroBatchWork } from './micro-batch-work.js';
import { PhaseClock } from './phase-clock.js';
import type { Pipeline } from './pipeline.js';
import { PipelineStep, pipelineOutput, WAIT } from './pipeline-step.js';
import { keyOf, type PipelineAction, planPipeline } from './plan-pipeline.js';
import type { SegmentRange } from './segment-pass.js';
import { accumulateLossGradients } from './segments.js';

/** A model with what is trained of it. */
interface Trained {
  readonly model: CausalLm;
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly generator: RandomGenerator | undefined;
}

interface Case {
  readonly chunks: readonly SegmentRange[];
  readonly stages: number;
  readonly microBatches: number;
  readonly create: () => Trained;
  /** Segments before this one are frozen. Default 0. */
  readonly firstTrained?: number;
}

/** What was sent and not yet taken. */
class Wires {
  readonly #messages = new Map<string, Tensor>();
  /** Waits for messages that were not taken at that time: two such stages would wait for each other. */
  early = 0;

  get count(): number {
    return this.#messages.size;
  }

  ofStage(from: number): Pick<Pipeline, 'send' | 'receive'> {
    return {
      send: (tensor, to, tag) => {
        const name = `${from} to ${to}, ${tag}`;
        if (this.#messages.has(name)) throw new Error(`a second message ${name}`);
        this.#messages.set(name, tensor.clone().keep());
        return {
          wait: () => {
            if (this.#messages.has(name)) this.early++;
          },
        };
      },
      receive: (into, stage, tag) => {
        const name = `${stage} to ${from}, ${tag}`;
        const message = this.#messages.get(name);
        if (message === undefined) throw new Error(`no message ${name}`);
        expect([message.shape, message.dtype], name).toEqual([into.shape, into.dtype]);
        this.#messages.delete(name);
        into.copy_(message);
        message.dispose();
        return into;
      },
    };
  }
}

function pipelineOf({ chunks, stages, firstTrained = 0 }: Case, stage: number, wires: Wires): Pipeline {
  return {
    stage,
    stages,
    chunksPerStage: chunks.length / stages,
    chunks,
    firstTrained,
    ...wires.ofStage(stage),
  };
}

/** Rows of other lengths in each micro-batch. */
function workOf(index: number, { shape }: CausalLm, report: (balance: number) => void): MicroBatchWork {
  const size: [number, number] = [2, 5 + index];
  const ids = (offset: number): Tensor =>
    intTensor(
      Array.from(
        { length: size[0] * size[1] },
        (_, at) => ((at + 31 * index + offset) * 7919) % shape.vocabSize,
      ),
      size,
    );
  const batch: ObjectiveBatch = {
    learned: 1,
    divisors: { tokens: 1, records: 1 },
    prepare(model) {
      const weights = intTensor(
        Array.from({ length: size[0] * size[1] }, (_, at) => at % 3),
        size,
      ).to('float64');
      const targets = ids(4);
      return {
        inputIds: ids(3),
        sums: (logits) => ({ perToken: model.crossEntropySum(logits, targets, weights) }),
      };
    },
  };
  // The last one is as computed for nothing, where other ranks have one more: its loss counts nothing.
  const isCounted = index !== 2;
  return {
    number: index,
    batch,
    isCounted,
    lossOf: ({ perToken }) => {
      if (perToken === undefined) throw new TypeError('no loss');
      return perToken.mul((index + 1) / 10);
    },
    routing: { balanceWeight: 0.5 + index, reportRouting: ({ balanceLoss }) => report(balanceLoss) },
  };
}

function begin(generator: RandomGenerator | undefined, { number }: MicroBatchWork): void {
  if (generator === undefined) return;
  scope(() => restoreGenerator(generator, generatorState(new RandomGenerator(100 + number))));
}

function alone({ create, microBatches }: Case) {
  const { model, parameters, generator } = create();
  const store = new GradientStore(parameters);
  const balances: number[] = [];
  let loss = 0;
  for (let index = 0; index < microBatches; index++)
    scope(() => {
      const work = workOf(index, model, (balance) => balances.push(balance));
      begin(generator, work);
      const prepared = work.batch.prepare(model);
      const lossOf = (output: Tensor): Tensor => work.lossOf(prepared.sums(output));
      const own = accumulateLossGradients(model, prepared, lossOf, store, { generator, ...work.routing });
      if (work.isCounted) loss += own;
    });
  return { model, store, loss, balances };
}

/** All stages, each action as soon as what it takes has been sent. */
function together(one: Case) {
  const { stages, microBatches, chunks } = one;
  const wires = new Wires();
  const balances: number[] = [];
  const { actions } = planPipeline({ stages, chunksPerStage: chunks.length / stages, microBatches });
  const runs = actions.map((own, stage) => {
    const { model, parameters, generator } = one.create();
    const store = new GradientStore(parameters);
    const backwards: boolean[] = [];
    const phases: (string | undefined)[] = [];
    const clock = new PhaseClock((phase) => phases.push(phase));
    const step = new PipelineStep({
      model,
      pipeline: pipelineOf(one, stage, wires),
      gradients: store,
      gradientOptions: { generator, clock },
      beginBackward: (isLast) => backwards.push(isLast),
    });
    const work = Array.from({ length: microBatches }, (_, index) =>
      workOf(index, model, (balance) => balances.push(balance)),
    );
    return {
      actions: own,
      model,
      store,
      backwards,
      phases,
      parts: step.run(work, (part) => begin(generator, part)),
      done: 0,
    };
  });
  for (const { parts } of runs) for (let index = 0; index < microBatches; index++) parts.next();
  const through = new Set<string>();
  const isReady = ({ kind, microBatch, chunk }: PipelineAction): boolean => {
    if (kind === 'forward') return chunk === 0 || through.has(keyOf({ kind, microBatch, chunk: chunk - 1 }));
    return chunk === chunks.length - 1 || through.has(keyOf({ kind, microBatch, chunk: chunk + 1 }));
  };
  for (let progress = true; progress; ) {
    progress = false;
    for (const run of runs) {
      const action = run.actions[run.done];
      if (action === undefined || !isReady(action)) continue;
      run.parts.next();
      through.add(keyOf(action));
      run.done++;
      progress = true;
    }
  }
  expect(
    runs.map(({ done, actions: own }) => own.length - done),
    'actions left',
  ).toEqual(runs.map(() => 0));
  expect(wires.early, 'a stage waited for one that had not taken its message').toBe(0);
  const losses = runs.map(({ parts }) => {
    const { done, value } = parts.next();
    expect(done).toBe(true);
    return value ?? Number.NaN;
  });
  expect(wires.count, 'messages that nobody took').toBe(0);
  return { runs, losses, balances };
}

const [TWO, FOUR] = [
  [
    { start: 0, end: 3 },
    { start: 3, end: 5 },
  ],
  [
    { start: 0, end: 2 },
    { start: 2, end: 3 },
    { start: 3, end: 4 },
    { start: 4, end: 5 },
  ],
];

function xverse(isTrained: (path: string) => boolean = () => true): Trained {
  const { model } = loadModel(`${goldenFolder}xverse`, { dtype: 'float64' });
  for (const [, parameter] of model.namedParameters()) parameter.setRequiresGrad(false);
  const parameters = new Map(model.namedParameters().filter(([path]) => isTrained(path)));
  return { model, parameters, generator: undefined };
}

/** Dropout in every block: where a chunk begins to draw depends on the chunks before it. */
function withDropout(): Trained {
  const { model } = xverse();
  const adapters = applyLora(model, (path) => path.endsWith('Proj'), { rank: 4, alpha: 8, dropout: 0.3 });
  const initial = new RandomGenerator(1);
  const generator = new RandomGenerator(7);
  scope(() => {
    for (const layer of adapters.values()) {
      initializeLora(layer, initial, 'float64');
      layer.loraB.add_(0.01);
      layer.dropoutGenerator = generator;
    }
  });
  const parameters = new Map(model.namedParameters().filter(([path]) => /\.lora[AB]$/.test(path)));
  return { model, parameters, generator };
}

function experts(): Trained {
  const { model } = loadModel(`${goldenFolder}qwen3moe`, { dtype: 'float64' });
  return { model, parameters: new Map(model.namedParameters()), generator: undefined };
}

const cases: Record<string, Case> = {
  '1f1b': { chunks: TWO, stages: 2, microBatches: 4, create: xverse },
  'fewer micro-batches than stages': { chunks: FOUR, stages: 4, microBatches: 1, create: xverse },
  interleaved: { chunks: FOUR, stages: 2, microBatches: 4, create: xverse },
  'frozen before the last block': {
    chunks: FOUR,
    stages: 4,
    microBatches: 3,
    create: () => xverse((path) => path.startsWith('layers.2.')),
    firstTrained: 3,
  },
  dropout: { chunks: FOUR, stages: 2, microBatches: 3, create: withDropout, firstTrained: 1 },
  'dropout, 1f1b': { chunks: TWO, stages: 2, microBatches: 3, create: withDropout, firstTrained: 1 },
  experts: { chunks: FOUR, stages: 2, microBatches: 3, create: experts },
};

describe.each(Object.entries(cases))('%s', (_, one) => {
  test('gives loss and gradients of one device', () => {
    const expected = alone(one);
    const { runs, losses, balances } = together(one);
    expect(losses.slice(0, -1)).toEqual(losses.slice(0, -1).map(() => 0));
    expect(Math.abs((losses.at(-1) ?? 0) / expected.loss - 1)).toBeLessThan(1e-12);
    expect(balances).toHaveLength(expected.balances.length);
    for (const [index, balance] of expected.balances.entries())
      expect(balances[index]).toBeCloseTo(balance, 12);

    scope(() => {
      for (const [path] of expected.model.namedParameters()) {
        const wanted = expected.store.get(path);
        const parts = runs.map(({ store }) => store.get(path)).filter((part) => part !== undefined);
        expect(parts.length, path).toBe(wanted === undefined ? 0 : 1);
        if (wanted !== undefined)
          for (const part of parts) expect(maxAbsDifference(part, wanted), path).toBeLessThan(1e-12);
      }
    });
    for (const { store, model } of [expected, ...runs]) {
      store.clear();
      model.dispose();
    }
  });
});

test('the last backward passes of a step are said to be the last', () => {
  const { runs } = together({ chunks: FOUR, stages: 2, microBatches: 3, create: xverse });
  for (const { backwards, store, model } of runs) {
    // Two chunks of three micro-batches.
    expect(backwards.toSorted()).toEqual([false, false, false, false, true, true]);
    expect(backwards.at(-1)).toBe(true);
    store.clear();
    model.dispose();
  }
});

test('waiting for another stage is a phase of its own', () => {
  const { runs } = together({ chunks: TWO, stages: 2, microBatches: 1, create: xverse });
  expect(runs.map(({ phases }) => phases)).toEqual([
    ['forward', undefined, 'backward', WAIT, 'backward', undefined],
    ['forward', WAIT, 'forward', undefined, 'backward', undefined],
  ]);
  for (const { store, model } of runs) {
    store.clear();
    model.dispose();
  }
});

test('a step that is left frees what it holds', () => {
  const { model, parameters } = xverse();
  const store = new GradientStore(parameters);
  const pipeline = pipelineOf({ chunks: TWO, stages: 2, microBatches: 2, create: xverse }, 0, new Wires());
  const step = new PipelineStep({
    model,
    pipeline,
    gradients: store,
    gradientOptions: {},
    beginBackward: () => {},
  });
  const work = [0, 1].map((index) => workOf(index, model, () => {}));
  const parts = step.run(work, () => {});
  for (let index = 0; index < 3; index++) expect(parts.next().done).toBe(false);
  parts.return(0);
  // The next step begins anew.
  expect(step.run(work, () => {}).next().done).toBe(false);
  store.clear();
  model.dispose();
});

test('the output for what is only measured is on the last stage', () => {
  const { model } = xverse();
  const wires = new Wires();
  const one: Case = { chunks: TWO, stages: 2, microBatches: 1, create: xverse };
  scope(() => {
    const inputIds = intTensor([5, 6, 7, 8, 9, 10], [2, 3]);
    const [first, last] = [0, 1].map((stage) =>
      pipelineOutput(model, { inputIds }, pipelineOf(one, stage, wires), {}),
    );
    expect(first).toBeUndefined();
    if (last === undefined) throw new Error('no output');
    expect(maxAbsDifference(last, model.forward(inputIds))).toBeLessThan(1e-12);
    expect(wires.count).toBe(0);
  });
  model.dispose();
});
