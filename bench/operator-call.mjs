// What one operator call costs on a tensor of one element without gradients, where nothing but the call is paid:
// ours as users write it (`a.add(b)` in a scope) against PyTorch eager, in turns within one run.
//
//   node bench/operator-call.mjs [--python python3] [--rounds 30] [--calls 20000]
//
// --python: an interpreter that has torch; without one our side is measured alone. Both sides run on one thread.
// Each round measures every case once; printed are the least and the median over the rounds, in nanoseconds.
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { floatTensor, noGrad, scope, setThreads } from '../dist/tensor/index.js';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    rounds: { type: 'string', default: '30' },
    calls: { type: 'string', default: '20000' },
  },
});
const rounds = Number(options.rounds);
const calls = Number(options.calls);
const callsPerScope = 50; // about what one block of a model makes

const peer = `
import sys, time, torch
torch.set_num_threads(1)
a, b = torch.tensor([1.0]), torch.tensor([2.0])
print(torch.__version__, flush=True)
def add(n):
    with torch.no_grad():
        for _ in range(n): a.add(b)
def step(n):
    for _ in range(n):
        x = a.clone().requires_grad_(True)
        x.mul(b).add(b).mul(b).sum().backward()
for line in sys.stdin:
    case, n = line.split()
    run = {'add': add, 'step': step}[case]
    start = time.perf_counter_ns()
    run(int(n))
    print((time.perf_counter_ns() - start) / int(n), flush=True)
`;

function startPeer() {
  if (spawnSync(options.python, ['-c', 'import torch']).status !== 0) return undefined;
  const child = spawn(options.python, ['-c', peer], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (text) => {
    if (text !== '') child.stdin.write(`${text}\n`);
    return (await lines.next()).value;
  };
  return { ask, stop: () => child.stdin.end() };
}

setThreads(1);
const a = floatTensor([1]).keep();
const b = floatTensor([2]).keep();

const ours = {
  add: (count) =>
    noGrad(() => {
      for (let done = 0; done < count; done += callsPerScope)
        scope(() => {
          for (let i = 0; i < callsPerScope; i++) a.add(b);
        });
    }),
  step: (count) => {
    for (let i = 0; i < count; i++)
      scope(() => {
        const x = a.clone().setRequiresGrad(true);
        x.mul(b).add(b).mul(b).sum().backward();
      });
  },
};
const cases = [
  { name: 'add', title: '1-element add, no grad', count: calls },
  { name: 'step', title: 'clone, 4 operators, backward', count: Math.ceil(calls / 20) },
];

const python = startPeer();
const version = (await python?.ask('')) ?? 'none';
const times = new Map(cases.map(({ name }) => [name, { ours: [], peer: [] }]));
for (let round = -1; round < rounds; round++)
  for (const { name, count } of cases) {
    const start = performance.now();
    ours[name](count);
    const own = ((performance.now() - start) * 1e6) / count;
    const other = python === undefined ? Number.NaN : Number(await python.ask(`${name} ${count}`));
    if (round < 0) continue; // warms up
    times.get(name).ours.push(own);
    times.get(name).peer.push(other);
  }
python?.stop();

const least = (numbers) => Math.min(...numbers);
const median = (numbers) => [...numbers].sort((x, y) => x - y)[numbers.length >> 1];
const load = loadavg()[0].toFixed(1);
console.log(`${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, load ${load}; torch ${version}`);
console.log('| case | ours ns, least (median) | PyTorch ns, least (median) | ratio of least (of medians) |');
console.log('| --- | --- | --- | --- |');
for (const { name, title } of cases) {
  const { ours: own, peer: other } = times.get(name);
  const show = (numbers) => `${least(numbers).toFixed(0)} (${median(numbers).toFixed(0)})`;
  const ratio = `${(least(own) / least(other)).toFixed(2)} (${(median(own) / median(other)).toFixed(2)})`;
  console.log(`| ${title} | ${show(own)} | ${show(other)} | ${ratio} |`);
}
