/** Writes strategy files of MindSpore. */
import { writeFileAtomic } from '../files/atomic-write.js';
import { bytesField, varintField } from '../protobuf/protobuf-writer.js';
import { type ParallelStrategy, type ParameterLayout, STRATEGY_FIELDS } from './parallel-strategy.js';

/**
 * Writes a strategy of one or more stages, in the form that `merge_pipeline_strategys` of MindSpore gives: with several stages the
 * number of the stage stands before each name. Each stage has one operator, which tells its number.
 */
export function writeStrategyFile(path: string, stages: ParallelStrategy['stages']): void {
  writeFileAtomic(path, encodeStrategy(stages));
}

export function encodeStrategy(stages: ParallelStrategy['stages']): Buffer {
  const { map, strategyItem, strategies, layoutItem } = STRATEGY_FIELDS;
  const items: Buffer[] = [varintField(map.currentStage, stages.size > 1 ? 1 : 0)];
  for (const [stage, layouts] of stages) {
    const [first] = layouts.values();
    items.push(
      bytesField(
        map.strategyItem,
        Buffer.concat([
          bytesField(strategyItem.nodeName, `stage_${stage}`),
          bytesField(
            strategyItem.strategies,
            Buffer.concat([
              varintField(strategies.stage, stage),
              bytesField(strategies.strategy, dims(first?.deviceMatrix ?? [])),
            ]),
          ),
        ]),
      ),
    );
  }
  for (const [stage, layouts] of stages)
    for (const [name, layout] of layouts)
      items.push(
        bytesField(
          map.layoutItem,
          Buffer.concat([
            bytesField(layoutItem.name, stages.size > 1 ? `${stage}-${name}` : name),
            bytesField(layoutItem.layouts, encodeLayout(layout)),
          ]),
        ),
      );
  return Buffer.concat(items);
}

function encodeLayout({
  deviceMatrix,
  tensorMap,
  sliceRows,
  optimizerShards,
  optimizerStep,
}: ParameterLayout): Buffer {
  const { layouts } = STRATEGY_FIELDS;
  const isNested = tensorMap.some((axes) => axes.length > 1);
  const flat = tensorMap.map((axes) => axes[0] ?? -1);
  const maps = isNested ? tensorMap.map((axes) => (axes.length === 0 ? [-1] : axes)) : [flat];
  return Buffer.concat([
    bytesField(layouts.deviceMatrix, dims(deviceMatrix)),
    ...maps.map((axes) => bytesField(layouts.tensorMap, dims(axes))),
    bytesField(layouts.splitShape, dims(sliceRows)),
    bytesField(layouts.indicesOffset, dims([])),
    varintField(layouts.fieldSize, 0),
    varintField(layouts.optimizerStep, optimizerStep),
    signedField(layouts.optimizerShards, optimizerShards),
  ]);
}

function dims(sizes: readonly number[]): Buffer {
  return Buffer.concat(sizes.map((size) => signedField(STRATEGY_FIELDS.dim, size)));
}

/** -1 takes ten bytes in protobuf: it is written as an int64. */
const MINUS_ONE = Buffer.from([255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);

function signedField(number: number, value: number): Buffer {
  return value === -1
    ? Buffer.concat([varintField(number, 0).subarray(0, -1), MINUS_ONE])
    : varintField(number, value);
}
