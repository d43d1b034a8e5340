// One rank of a forward pass over left-padded rows whose tokens are shared: node context-forward.mjs RANK SIZE PORT CONFIG.
// Prints the greatest difference of a real token's logits from those of this process alone.
import { ContextGroup, World } from '../../dist/distributed/index.js';
import { parseArchitecture } from '../../dist/models/index.js';
import { initializeModule } from '../../dist/nn/index.js';
import { floatTensor, intTensor, noGrad, RandomGenerator, scope } from '../../dist/tensor/index.js';
import { ContextSplit } from '../../dist/training/parallel/context-split.js';

const [rank, size, port, config] = process.argv
  .slice(2)
  .map((word, index) => (index < 3 ? Number(word) : word));
const PADDING = [4, 0, 9];
const LENGTH = 13;

const model = parseArchitecture(JSON.parse(config), 'test').createModel();
const generator = new RandomGenerator(5);
scope(() => initializeModule(model, { rule: { kind: 'normal', std: 0.3 }, generator, dtype: 'float64' }));
const world = World.join({
  rank,
  size,
  host: '127.0.0.1',
  port,
  isStoreServed: false,
  restart: 0,
  localRank: rank,
  localSize: size,
  device: rank,
});
const group = new ContextGroup(world.subgroup('context', rank, size));

scope(() =>
  noGrad(() => {
    const rows = PADDING.map((padding, row) =>
      Array.from({ length: LENGTH }, (_, at) => (at < padding ? 0 : (at * 7 + row) % 50)),
    );
    const inputIds = intTensor(rows.flat(), [PADDING.length, LENGTH]);
    const real = PADDING.flatMap((padding) =>
      Array.from({ length: LENGTH }, (_, at) => (at < padding ? 0 : 1)),
    );
    const attentionMask = intTensor(real, [PADDING.length, LENGTH]);
    const wanted = model.forward(inputIds, { attentionMask });
    new ContextSplit(model, group);
    const whole = model.createContext(LENGTH, { attentionMask });
    model.edges.begin(LENGTH);
    const context = model.edges.tokens.shareContext(whole);
    let hidden = inputIds;
    for (const segment of model.segments()) hidden = segment.forward(hidden, context);
    const counted = floatTensor(real, [PADDING.length, LENGTH, 1], { dtype: 'float64' });
    const difference = group.whole(hidden).sub(wanted).abs().mul(counted).reshape([-1]).toArray();
    process.stdout.write(`${Math.max(...difference)}\n`);
  }),
);
world.leave();
