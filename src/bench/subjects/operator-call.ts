/** What one operator call costs on a tensor of one element, where nothing but the call is paid; on one thread. */
import { floatTensor, noGrad, scope, setThreads } from '../../tensor/index.js';

export interface OperatorCallSettings {
  /** Of the addition, in each repetition; of the small graph a twentieth. */
  readonly calls: number;
  readonly repetitions: number;
}

export interface OperatorCallValues {
  readonly addNanoseconds: number;
  readonly graphNanoseconds: number;
}

/** About what one block of a model makes. */
const CALLS_PER_SCOPE = 50;

/** `a.add(b)` in a scope without gradients; and clone, four operators and backward. The least of the repetitions. */
export function measureOperatorCall({ calls, repetitions }: OperatorCallSettings): OperatorCallValues {
  setThreads(1);
  const a = floatTensor([1]).keep();
  const b = floatTensor([2]).keep();
  const add = (count: number): void =>
    noGrad(() => {
      for (let done = 0; done < count; done += CALLS_PER_SCOPE)
        scope(() => {
          for (let call = 0; call < CALLS_PER_SCOPE; call++) a.add(b);
        });
    });
  const graph = (count: number): void => {
    for (let done = 0; done < count; done++)
      scope(() => {
        const x = a.clone().setRequiresGrad(true);
        x.mul(b).add(b).mul(b).sum().backward();
      });
  };
  const rounded = CALLS_PER_SCOPE * Math.ceil(calls / CALLS_PER_SCOPE);
  const graphs = Math.ceil(calls / 20);
  const best = { add: Number.POSITIVE_INFINITY, graph: Number.POSITIVE_INFINITY };
  for (let repetition = 0; repetition <= repetitions; repetition++) {
    const [first, second] = [nanosecondsOf(() => add(rounded)), nanosecondsOf(() => graph(graphs))];
    if (repetition === 0) continue; // warms up
    best.add = Math.min(best.add, first / rounded);
    best.graph = Math.min(best.graph, second / graphs);
  }
  return { addNanoseconds: best.add, graphNanoseconds: best.graph };
}

function nanosecondsOf(body: () => void): number {
  const start = performance.now();
  body();
  return (performance.now() - start) * 1e6;
}
