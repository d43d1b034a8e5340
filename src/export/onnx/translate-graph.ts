/** A traced graph as an ONNX model: each operator by its entry in a table, nothing by the name of a family. */
import type { OnnxModel, OnnxPort } from '../../formats/index.js';
import type { Dimension } from '../trace/dimension.js';
import { showDimension } from '../trace/dimension.js';
import type { TracedGraph, TracedValue } from '../trace/traced-graph.js';
import type { GraphBuilder } from './graph-builder.js';
import { arithmetic } from './operators/arithmetic.js';
import { experts } from './operators/experts.js';
import { layers } from './operators/layers.js';
import { shapes } from './operators/shapes.js';
import { NoOnnxForm, onnxTypeOf, resultOf, type Translate, Translation, valueAt } from './translation.js';
import type { WeightStore } from './weight-store.js';

const TRANSLATIONS: ReadonlyMap<string, Translate> = new Map(
  [arithmetic, shapes, layers, experts].flatMap((table) => Object.entries(table)),
);

/** Names that runtimes read off the inputs. */
const AXES: Readonly<Record<string, string>> = {
  batch: 'batch_size',
  tokens: 'sequence_length',
  past: 'past_sequence_length',
  total: 'total_sequence_length',
};

/** @throws NoOnnxForm for an operator without a form in ONNX */
export function translateGraph(
  graph: TracedGraph,
  builder: GraphBuilder,
  weights: WeightStore,
): Pick<OnnxModel, 'inputs' | 'outputs' | 'nodes' | 'initializers'> {
  const inputs = [...graph.named].filter(([name]) => !weights.has(name));
  const shapeOf = (input: string, dim: number) => (): string =>
    builder.node('Gather', [builder.node('Shape', [input]), builder.integers([dim])], {
      axis: { kind: 'int', value: 0 },
    });
  const translation = new Translation(
    builder,
    weights,
    {
      batch: shapeOf('input_ids', 0),
      tokens: shapeOf('input_ids', 1),
      past: shapeOf('past_key_values.0.key', 2),
      total: shapeOf('attention_mask', 1),
    },
    lookedUp(graph),
  );
  for (const [name, value] of inputs) translation.setName(value, name);
  for (const call of graph.calls) {
    const translate = TRANSLATIONS.get(call.name);
    if (translate === undefined) throw new NoOnnxForm(`the operator ${call.name}`);
    const names = translate(translation, call);
    for (const [index, name] of names.entries()) translation.setName(resultOf(call, index), name);
  }
  // Under names of their own, whatever node made them.
  for (const [name, value] of graph.outputs)
    builder.nodes.push({
      operator: 'Identity',
      name: `output.${name}`,
      inputs: [translation.use(value)],
      outputs: [name],
      attributes: {},
    });
  const port = ([name, { shape, dtype }]: readonly [string, TracedValue]): OnnxPort => ({
    name,
    type: onnxTypeOf(dtype),
    shape: shape.map(axisName),
  });
  return {
    inputs: inputs.map(port),
    outputs: [...graph.outputs].map(port),
    nodes: builder.nodes,
    initializers: builder.initializers,
  };
}

function axisName(dimension: Dimension): number | string {
  const shown = showDimension(dimension);
  return typeof shown === 'number' ? shown : (AXES[shown] ?? shown);
}

/** Weights of which some call takes rows by number. */
function lookedUp({ calls }: TracedGraph): Set<string> {
  return new Set(
    calls.flatMap((call) => {
      if (call.name !== 'aten::embedding') return [];
      const { origin } = valueAt(call, 0);
      return origin !== undefined && 'name' in origin ? [origin.name] : [];
    }),
  );
}
