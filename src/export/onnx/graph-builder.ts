/** Nodes and small constants of an ONNX graph as they come; what was said once is not said again. */
import {
  ONNX_TYPES,
  type OnnxAttribute,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxType,
} from '../../formats/index.js';

type Attributes = Readonly<Record<string, OnnxAttribute>>;

export class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly opset: number;
  /** Outputs of nodes, and names of constants, by what they are made of. */
  readonly #known = new Map<string, readonly string[]>();
  #count = 0;

  constructor(opset: number) {
    this.opset = opset;
  }

  /** @returns the name of its one output */
  node(operator: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const [output = ''] = this.nodeOf(operator, inputs, 1, attributes);
    return output;
  }

  nodeOf(
    operator: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Attributes = {},
  ): readonly string[] {
    const key = JSON.stringify([operator, inputs, outputs, attributes]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const name = `${operator}_${this.#count++}`;
    const names = Array.from({ length: outputs }, (_, index) => (outputs === 1 ? name : `${name}_${index}`));
    this.nodes.push({ operator, name: `node_${name}`, inputs, outputs: names, attributes });
    this.#known.set(key, names);
    return names;
  }

  /** Integers as int64. @param shape default: a vector */
  integers(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.#constant(
      'int64',
      shape,
      values,
      () => new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
    );
  }

  /** One float of the type given, or one integer, without dimensions. */
  scalar(value: number, type: OnnxType): string {
    switch (type) {
      case 'int64':
        return this.integers([value], []);
      case 'float32':
        return this.#constant(type, [], [value], () => new Uint8Array(Float32Array.of(value).buffer));
      case 'float64':
        return this.#constant(type, [], [value], () => new Uint8Array(Float64Array.of(value).buffer));
      default:
        return this.node('Cast', [this.scalar(value, 'float32')], {
          to: { kind: 'int', value: ONNX_TYPES[type] },
        });
    }
  }

  cast(input: string, type: OnnxType): string {
    return this.node('Cast', [input], { to: { kind: 'int', value: ONNX_TYPES[type] } });
  }

  /** The initializer comes once, whoever asks for it. */
  initializer(initializer: OnnxInitializer): string {
    const { name } = initializer;
    if (!this.#known.has(name)) {
      this.#known.set(name, [name]);
      this.initializers.push(initializer);
    }
    return name;
  }

  #constant(
    type: OnnxType,
    shape: readonly number[],
    values: readonly number[],
    bytes: () => Uint8Array,
  ): string {
    const key = JSON.stringify(['constant', type, shape, values]);
    const [known] = this.#known.get(key) ?? [];
    if (known !== undefined) return known;
    const name = `constant_${this.#count++}`;
    this.#known.set(key, [name]);
    this.initializers.push({ name, type, shape, content: () => [bytes()] });
    return name;
  }
}
