// Conversion of a big checkpoint, whole process against whole process, in turns: ours (write, read back, compare) and the
// usual Python script (load, save; no check). Printed are seconds, bytes per second and the peak memory of each.
//
//   node bench/checkpoints.mjs --python PYTHON [--gigabytes 4] [--rounds 3] [--folder DIR]
//
// --python: an interpreter with torch and safetensors (node tools/reference-python.mjs prints one).
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeSafetensors } from '../dist/formats/index.js';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    gigabytes: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
const folder = mkdtempSync(join(options.folder, 'xinghe-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** XVERSE's layout at hidden 2048, as many layers as fill the size; float32. */
function makeModel(path) {
  const [hidden, ffn, vocabulary] = [2048, 5504, 32000];
  const shapes = [['model.embed_tokens.weight', [vocabulary, hidden]]];
  const bytes = () => shapes.reduce((sum, [, shape]) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
  for (let layer = 0; bytes() < Number(options.gigabytes) * 1e9; layer++) {
    const name = (part) => `model.layers.${layer}.${part}.weight`;
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'o_proj'])
      shapes.push([name(`self_attn.${part}`), [hidden, hidden]]);
    shapes.push([name('mlp.gate_proj'), [ffn, hidden]], [name('mlp.up_proj'), [ffn, hidden]]);
    shapes.push([name('mlp.down_proj'), [hidden, ffn]]);
    shapes.push([name('input_layernorm'), [hidden]], [name('post_attention_layernorm'), [hidden]]);
  }
  shapes.push(['model.norm.weight', [hidden]], ['lm_head.weight', [vocabulary, hidden]]);
  const values = Float32Array.from({ length: 2 ** 20 }, (_, index) => Math.sin(index * 12.9898));
  const block = new Uint8Array(values.buffer);
  const fill = function* (size) {
    for (let left = size; left > 0; left -= block.length)
      yield block.subarray(0, Math.min(left, block.length));
  };
  writeSafetensors(
    path,
    shapes.map(([name, shape]) => {
      const size = 4 * shape.reduce((a, b) => a * b, 1);
      return { name, dtype: 'float32', shape, bytes: () => fill(size) };
    }),
  );
}

/** Seconds and peak resident megabytes of a process. */
function measure(command, args) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    let peak = 0;
    const timer = setInterval(() => {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
      } catch {
        // It has just ended.
      }
    }, 20);
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      if (code === 0) resolve({ seconds: (performance.now() - started) / 1000, peak });
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}`));
    });
  });
}

const source = join(folder, 'model.safetensors');
makeModel(source);
const size = statSync(source).size;
const out = (name) => join(folder, name);
const cases = [
  {
    name: 'safetensors to .bin',
    ours: ['--to', out('o.bin')],
    script: `import sys,torch\nfrom safetensors.torch import load_file\ntorch.save(load_file(sys.argv[1]), sys.argv[2])`,
    theirs: out('p.bin'),
  },
  {
    name: 'safetensors to bfloat16 safetensors',
    ours: ['--to', out('o.safetensors'), '--dtype', 'bfloat16'],
    script: `import sys,torch\nfrom safetensors.torch import load_file,save_file\nsave_file({k: v.bfloat16() for k, v in load_file(sys.argv[1]).items()}, sys.argv[2])`,
    theirs: out('p.safetensors'),
  },
  {
    name: 'safetensors to 4 model-parallel ranks',
    ours: ['--to', out('ranks'), '--layout', 'dp=1,mp=4'],
    script: `import sys,os,torch
from safetensors.torch import load_file
d = load_file(sys.argv[1])
def cut(k, v, r):
    if 'norm' in k: return v
    return v.chunk(4, 1 if 'o_proj' in k or 'down_proj' in k else 0)[r].contiguous()
for r in range(4):
    os.makedirs(f'{sys.argv[2]}/rank_{r}', exist_ok=True)
    torch.save({k: cut(k, v, r) for k, v in d.items()}, f'{sys.argv[2]}/rank_{r}/checkpoint_{r}.pt')`,
    theirs: out('pranks'),
  },
];

console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores; ${(size / 1e9).toFixed(2)} GB; load ${loadavg()[0]?.toFixed(2)}`,
);
for (const { name, ours, script, theirs } of cases) {
  const best = { ours: { seconds: Infinity, peak: 0 }, theirs: { seconds: Infinity, peak: 0 } };
  const keep = (side, result) => {
    best[side] = {
      seconds: Math.min(best[side].seconds, result.seconds),
      peak: Math.max(best[side].peak, result.peak),
    };
  };
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const path of [ours[1], theirs]) rmSync(path, { recursive: true, force: true });
    keep('ours', await measure(program, ['convert', '--from', source, ...ours]));
    if (options.python !== undefined) {
      if (theirs.endsWith('ranks')) mkdirSync(theirs);
      keep('theirs', await measure(options.python, ['-c', script, source, theirs]));
    }
  }
  const show = ({ seconds, peak }) =>
    `${seconds.toFixed(2)} s, ${(size / seconds / 1e9).toFixed(2)} GB/s, peak ${peak.toFixed(0)} MB`;
  console.log(`${name}: ours ${show(best.ours)}`);
  if (options.python !== undefined)
    console.log(
      `  Python ${show(best.theirs)}; time ${(best.ours.seconds / best.theirs.seconds).toFixed(2)}x, ` +
        `memory ${(best.ours.peak / best.theirs.peak).toFixed(2)}x`,
    );
}
