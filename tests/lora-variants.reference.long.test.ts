/** LoRA, rsLoRA, DoRA and LoRA+ against PEFT: the same numbers on a model and on single layers, folders in both directions. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  loadAdapter,
  publishedLayer,
  publishedName,
  publishedParameters,
  saveAdapter,
} from '../src/checkpoint/index.js';
import { writeSafetensors } from '../src/formats/index.js';
import {
  applyLora,
  initializeLora,
  LoraLinear,
  type LoraOptions,
  learningRateFactors,
  loraLayers,
  mergeLora,
} from '../src/lora/index.js';
import { type LoadedModel, loadModel } from '../src/models/index.js';
import { DenseLinear } from '../src/nn/index.js';
import {
  empty,
  type FloatDType,
  grad,
  liveTensorCount,
  noGrad,
  ones,
  operator,
  RandomGenerator,
  scope,
  type Tensor,
} from '../src/tensor/index.js';
import { AdamW, accumulateGradients, GradientStore } from '../src/training/index.js';
import { goldenFolder, maxAbsDifference, safetensorsOf } from './support/golden.js';
import { GOLDEN_LLAMA } from './support/golden-llama.js';
import { referencePython, runReference } from './support/reference.js';

const methods = ['lora', 'rslora', 'dora'] as const;
type Method = (typeof methods)[number];
const dtypes = ['float32', 'float64'] as const;
const LAYER_DTYPES = ['float32', 'float64', 'bfloat16'] as const;
const OPTIONS: Record<Method, LoraOptions> = {
  lora: { rank: 4, alpha: 16 },
  rslora: { rank: 4, alpha: 16, rankStabilized: true },
  dora: { rank: 4, alpha: 16, dora: true },
};
/** Two orders of the same sums, relative to the largest element where that is above 1 (logits are about 10). */
const BOUND = { float64: 1e-9, float32: 1e-5, bfloat16: 0.01 } as const;
const LEARNING_RATE = 1e-3;
const PLUS_RATIO = 8;
const DROPOUT = 0.3;

/** The model of tests/golden/xverse as transformers' Llama, and PEFT on it. */
const common = `
import sys, json, torch
from transformers import LlamaForCausalLM
from transformers.pytorch_utils import Conv1D
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
work, golden = sys.argv[1:3]
${GOLDEN_LLAMA}
def base(dtype):
    return golden_llama(LlamaForCausalLM, golden).to(getattr(torch, dtype)).eval()

def plain(name):
    return name.removeprefix('base_model.model.').replace('.default.weight', '').replace('.default', '')
def published(name):
    name = plain(name)
    return name if name.endswith('vector') else name + '.weight'

ids = torch.tensor([[(37 * i + 11 * j * j + 5) % 320 for j in range(13)] for i in range(2)])
def loss_of(model):
    logits = model(input_ids=ids).logits
    return torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, 320), ids[:, 1:].reshape(-1))
def contiguous(tensors):
    return {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
def config(method, **more):
    return LoraConfig(r=4, lora_alpha=16, use_rslora=method == 'rslora', use_dora=method == 'dora', **more)
def disturb(model):
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad: continue
            noise = torch.randn(parameter.shape, dtype=torch.float64)
            if 'magnitude' in name: parameter.mul_(1 + 0.1 * noise.to(parameter.dtype))
            else: parameter.copy_(0.1 * noise)
`;

import { requiresPython } from './support/requires.js';

const expected = `
from peft.optimizers import create_loraplus_optimizer
learning_rate, ratio, dropout = map(float, sys.argv[3:6])
targets = ['q_proj', 'v_proj', 'o_proj', 'down_proj']
for method in ${JSON.stringify(methods)}:
    for dtype in ${JSON.stringify(dtypes)}:
        path = f'{work}/{method}-{dtype}'
        model = get_peft_model(base(dtype), config(method, target_modules=targets, task_type='CAUSAL_LM'))
        init = {published(n): p for n, p in model.named_parameters() if 'magnitude' in n}
        out = {'init.' + name: tensor for name, tensor in contiguous(init).items()}
        disturb(model)
        model.save_pretrained(path)
        out['input_ids'] = ids
        out['logits'] = model(input_ids=ids).logits
        loss = loss_of(model)
        loss.backward()
        out['loss'] = loss
        trained = {published(n): p for n, p in model.named_parameters() if p.requires_grad}
        out.update({'grad.' + name: p.grad for name, p in trained.items()})
        out = contiguous(out)
        start = contiguous(trained)
        optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=learning_rate, loraplus_lr_ratio=ratio)
        for step in range(3):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()
        out.update({'plus.' + name: tensor for name, tensor in contiguous(trained).items()})
        with torch.no_grad():
            for name, parameter in trained.items(): parameter.copy_(start[name])
        merged = model.merge_and_unload()
        out['merged_logits'] = merged(input_ids=ids).logits
        out.update({'merged.' + n: p for n, p in merged.named_parameters() if any(t in n for t in targets)})
        save_file(contiguous(out), path + '.safetensors')

class Masked(torch.nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.mask = mask
    def forward(self, x):
        return x * self.mask
class One(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
masks = load_file(work + '/masks.safetensors')
for layout in ('out-in', 'in-out'):
    for method in ${JSON.stringify(methods)}:
        for dtype in ('float32', 'float64', 'bfloat16'):
            torch.manual_seed(1)
            one = One(torch.nn.Linear(24, 10) if layout == 'out-in' else Conv1D(10, 24))
            torch.nn.init.normal_(one.layer.weight, std=0.3)
            torch.nn.init.normal_(one.layer.bias)
            one.to(getattr(torch, dtype))
            how = config(method, target_modules=['layer'], fan_in_fan_out=layout == 'in-out')
            layer = get_peft_model(one, how).base_model.model.layer
            out = dict(weight=one.layer.get_base_layer().weight, bias=one.layer.get_base_layer().bias)
            disturb(layer)
            out.update(loraA=layer.lora_A['default'].weight, loraB=layer.lora_B['default'].weight)
            if method == 'dora': out['loraMagnitude'] = layer.lora_magnitude_vector['default'].weight
            given = contiguous(out)
            for name, parameter in dict(out).items():
                if name.startswith('lora'): assert parameter.requires_grad
            x = torch.randn(3, 5, 24).to(getattr(torch, dtype)).requires_grad_()
            seed = torch.randn(3, 5, 10).to(getattr(torch, dtype))
            given.update(x=x, seed=seed)
            trained = [(name, p) for name, p in out.items() if name.startswith('lora')] + [('x', x)]
            for kind in ('plain', 'dropped'):
                if kind == 'dropped':
                    layer.lora_dropout['default'] = Masked(masks[dtype] / (1 - dropout))
                y = layer.train()(x)
                found = torch.autograd.grad(y, [p for _, p in trained], seed)
                given[kind + '.y'] = y
                given.update({f'{kind}.grad.{name}': g for (name, _), g in zip(trained, found)})
            given = contiguous(given)
            layer.merge()
            given['merged'] = layer.get_base_layer().weight
            save_file(contiguous(given), f'{work}/layer-{layout}-{method}-{dtype}.safetensors')
print('{}')
`;

const loadOurs = `
for method in ${JSON.stringify(methods)}:
    for dtype in ${JSON.stringify(dtypes)}:
        model = PeftModel.from_pretrained(base(dtype), f'{work}/ours-{method}-{dtype}').eval()
        save_file(contiguous({'logits': model(input_ids=ids).logits}), f'{work}/ours-{method}-{dtype}.safetensors')
print('{}')
`;

const bernoulli = operator('aten::bernoulli_.float');
const X_SHAPE = [3, 5, 24];

/** What the dropout of a layer will draw first. */
function dropoutMask(generator: RandomGenerator, dtype: FloatDType): Tensor {
  return bernoulli(empty(X_SHAPE, { dtype }), 1 - DROPOUT, generator);
}

function withSeed<Result>(body: (generator: RandomGenerator) => Result): Result {
  const generator = new RandomGenerator(11);
  try {
    return body(generator);
  } finally {
    generator.dispose();
  }
}

function expectClose(actual: Tensor, reference: Tensor, bound: number, what: string): void {
  const size = Math.max(1, reference.abs().to('float64').max().item());
  expect(maxAbsDifference(actual, reference) / size, what).toBeLessThan(bound);
}

const python = referencePython();

describe('PEFT', requiresPython(python), () => {
  const work = mkdtempSync(join(tmpdir(), 'xinghe-lora-variants-'));
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  beforeAll(() => {
    const masks = LAYER_DTYPES.map((dtype) => {
      const mask = withSeed((generator) => dropoutMask(generator, dtype));
      return { name: dtype, dtype, shape: X_SHAPE, bytes: () => mask.toBytes() };
    });
    writeSafetensors(join(work, 'masks.safetensors'), masks);
    const numbers = [LEARNING_RATE, PLUS_RATIO, DROPOUT].map(String);
    runReference(python ?? '', common + expected, [work, goldenFolder, ...numbers]);
  });

  const models = methods.flatMap((method) => dtypes.map((dtype) => ({ method, dtype })));

  describe.each(models)('a model, $method, $dtype', ({ method, dtype }) => {
    const path = join(work, `${method}-${dtype}`);
    const bound = BOUND[dtype];
    let loaded: LoadedModel;
    let told: (name: string) => Tensor;
    beforeAll(() => {
      told = safetensorsOf(`${path}.safetensors`);
      loaded = loadModel(`${goldenFolder}xverse`, { dtype });
      loadAdapter(loaded.model, loaded.architecture.names, path);
    });
    afterAll(() => loaded.model.dispose());

    function logits(): Tensor {
      return noGrad(() => loaded.model.forward(told('input_ids')));
    }

    /** What is trained, by own path. */
    function trained(): Map<string, Tensor> {
      const own = loaded.model.namedParameters();
      return new Map(own.filter(([path]) => /\.lora(A|B|Magnitude)$/.test(path)));
    }

    function published(path: string): string {
      return publishedName(loaded.architecture.names, path);
    }

    function accumulate(gradients: GradientStore): number {
      return scope(() => {
        const ids = told('input_ids');
        const length = ids.size(1) - 1;
        const inputIds = ids.narrow(1, 0, length).contiguous();
        const targets = ids.narrow(1, 1, length).contiguous();
        const batch = { inputIds, targets, weights: ones(inputIds.shape) };
        return accumulateGradients(loaded.model, batch, 1 / inputIds.numElements, gradients);
      });
    }

    test("the folder that PEFT wrote gives PEFT's logits", () => {
      const options = [...loraLayers(loaded.model).values()][0]?.options;
      expect(options).toMatchObject(OPTIONS[method]);
      expectClose(logits(), told('logits'), bound, 'logits');
    });

    test('a new adapter starts with the magnitudes of PEFT', () => {
      const fresh = loadModel(`${goldenFolder}xverse`, { dtype });
      const adapters = applyLora(fresh.model, (path) => path.endsWith('qProj'), OPTIONS[method]);
      withSeed((generator) => {
        for (const [own, layer] of adapters) {
          initializeLora(layer, generator, dtype);
          expect(layer.loraMagnitude !== undefined).toBe(method === 'dora');
          if (layer.loraMagnitude === undefined) continue;
          const name = `${publishedLayer(fresh.architecture.names, own)}.lora_magnitude_vector`;
          expectClose(layer.loraMagnitude, told(`init.${name}`), bound, name);
        }
      });
      fresh.model.dispose();
    });

    test('loss and gradients of A, B and the magnitude', () => {
      const parameters = trained();
      expect(parameters.size).toBe(3 * 4 * (method === 'dora' ? 3 : 2));
      const gradients = new GradientStore(parameters);
      const loss = accumulate(gradients);
      expect(Math.abs(loss - told('loss').item())).toBeLessThan(bound);
      for (const path of parameters.keys()) {
        const name = published(path);
        const gradient = gradients.get(path);
        if (gradient === undefined) throw new Error(`${name} has no gradient`);
        expectClose(gradient, told(`grad.${name}`), bound, name);
      }
      gradients.clear();
      for (const parameter of parameters.values()) parameter.setRequiresGrad(false);
    });

    test('saved by us for PEFT', () => {
      const target = join(work, `ours-${method}-${dtype}`);
      mkdirSync(target);
      saveAdapter(loaded.model, loaded.architecture.names, target, 'xverse');
    });

    test('three steps of LoRA+ move every parameter as PEFT does, and leave no tensor behind', () => {
      const parameters = trained();
      const gradients = new GradientStore(parameters);
      const factors = learningRateFactors(loraLayers(loaded.model), PLUS_RATIO);
      const optimizer = new AdamW(
        [...parameters].map(([path, parameter]) => {
          const name = published(path);
          const learningRateFactor = factors.get(path);
          if (learningRateFactor === undefined) throw new Error(`${name} has no factor`);
          return { path, name, parameter, weightDecay: 0, learningRateFactor };
        }),
        { beta1: 0.9, beta2: 0.999, eps: 1e-8, form: 'torch' },
      );
      const alive: number[] = [];
      for (let step = 0; step < 3; step++) {
        accumulate(gradients);
        optimizer.step(gradients, LEARNING_RATE);
        gradients.clear();
        alive.push(liveTensorCount());
      }
      expect(new Set(alive.slice(1)).size, `alive: ${alive.join(', ')}`).toBe(1);
      for (const [path, parameter] of parameters) {
        const name = published(path);
        // Where a gradient is about 0 Adam's first steps go by its sign, which rounding decides.
        const difference = parameter
          .sub(told(`plus.${name}`))
          .abs()
          .to('float64')
          .mean()
          .item();
        expect(difference, name).toBeLessThan(dtype === 'float64' ? 1e-9 : 1e-5);
      }
      optimizer.dispose();
      for (const parameter of parameters.values()) parameter.setRequiresGrad(false);
    });

    test('merged after training: the logits of the trained adapter', () => {
      const before = logits();
      mergeLora(loaded.model);
      expect(loraLayers(loaded.model).size).toBe(0);
      expectClose(logits(), before, bound, 'logits');
    });

    test("merged from the folder: PEFT's weights and logits", () => {
      loaded.model.dispose();
      loaded = loadModel(`${goldenFolder}xverse`, { dtype });
      loadAdapter(loaded.model, loaded.architecture.names, path);
      mergeLora(loaded.model);
      expectClose(logits(), told('merged_logits'), bound, 'logits');
      for (const [name, weight] of publishedParameters(loaded.model, loaded.architecture.names))
        if (/(q|v|o|down)_proj/.test(name)) expectClose(weight, told(`merged.${name}`), bound, name);
    });
  });

  test('PEFT loads the folders that we write and gives the same logits', () => {
    runReference(python ?? '', common + loadOurs, [work, goldenFolder]);
    for (const { method, dtype } of models) {
      const ours = safetensorsOf(join(work, `ours-${method}-${dtype}.safetensors`));
      const theirs = safetensorsOf(join(work, `${method}-${dtype}.safetensors`));
      expect(maxAbsDifference(ours('logits'), theirs('logits')), `${method} ${dtype}`).toBe(0);
    }
  });

  const layers = (['out-in', 'in-out'] as const).flatMap((layout) =>
    methods.flatMap((method) => LAYER_DTYPES.map((dtype) => ({ layout, method, dtype }))),
  );

  describe.each(layers)('a layer with bias, $layout, $method, $dtype', ({ layout, method, dtype }) => {
    function layerOf(told: (name: string) => Tensor, dropout: number): LoraLinear {
      const base = new DenseLinear(24, 10, { bias: true, layout });
      base.assign('weight', told('weight'));
      base.assign('bias', told('bias'));
      const layer = new LoraLinear(base, { ...OPTIONS[method], dropout });
      const parts = method === 'dora' ? ['loraA', 'loraB', 'loraMagnitude'] : ['loraA', 'loraB'];
      for (const part of parts) layer.assign(part, told(part));
      return layer;
    }
    const file = join(work, `layer-${layout}-${method}-${dtype}.safetensors`);

    test.each(['plain', 'dropped'] as const)('%s: output and gradients', (kind) => {
      const told = safetensorsOf(file);
      withSeed((generator) => {
        const layer = layerOf(told, kind === 'dropped' ? DROPOUT : 0);
        layer.dropoutGenerator = generator;
        for (const parameter of layer.adapterParameters) parameter.setRequiresGrad(true);
        const x = told('x').setRequiresGrad(true);
        const y = layer.forward(x);
        expect(y.dtype).toBe(dtype);
        expectClose(y, told(`${kind}.y`), BOUND[dtype], 'y');
        const names = method === 'dora' ? ['loraA', 'loraB', 'loraMagnitude', 'x'] : ['loraA', 'loraB', 'x'];
        const found = grad([y], [...layer.adapterParameters, x], { gradOutputs: [told('seed')] });
        for (const [index, name] of names.entries()) {
          const gradient = found[index];
          if (gradient === null || gradient === undefined) throw new Error(`${name} has no gradient`);
          expectClose(gradient, told(`${kind}.grad.${name}`), BOUND[dtype], name);
        }
        layer.dispose();
      });
    });

    test('merged weight', () => {
      const told = safetensorsOf(file);
      const layer = layerOf(told, 0);
      const merged = layer.mergedWeight();
      expect(merged.dtype).toBe(dtype);
      expect(merged.shape).toEqual(told('merged').shape);
      expectClose(merged, told('merged'), BOUND[dtype], 'merged');
    });
  });
});
