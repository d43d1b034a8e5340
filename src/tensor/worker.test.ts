// The addon in several threads of one process. Each test runs a program of its own in a child process, so that a
// crash fails the test; the program uses the addon directly, as vitest's modules exist only inside vitest.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

const prelude = `
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const native = require(process.env.XINGHE_ADDON ?? './build/xinghe.node');
const handleOf = (values) => native.fromBytes(Float32Array.from(values), [values.length], 'float32');
const operator = (name, overload) => native.resolveOperator(name, overload).id;
function trainingStep() {
  const made = [];
  const track = (handle) => (made.push(handle), handle);
  const x = track(native.fromBytes(new Float32Array(64).fill(1), [8, 8], 'float32'));
  const weight = track(native.fromBytes(new Float32Array(64).fill(0.5), [8, 8], 'float32'));
  native.setRequiresGrad(weight, true);
  const y = track(native.call(operator('xinghe::linear', ''), x, weight));
  const loss = track(native.call(operator('aten::sum', ''), y));
  native.backward([loss], null, false);
  const gradient = track(native.getGrad(weight));
  const first = new Float32Array(native.toBytes(gradient))[0];
  native.release(Int32Array.from(made), made.length);
  return first;
}
`;

/** Runs `main` after the prelude; `worker` is the body of its workers (started by start(data)). */
function run(main: string, worker = ''): { status: number | null; signal: string | null; output: string } {
  const program = `${prelude}
    const start = (workerData) => new Worker(${JSON.stringify(`${prelude}\n${worker}`)}, { eval: true, workerData });
    ${main}`;
  const result = spawnSync(process.execPath, ['-e', program], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status: result.status, signal: result.signal, output: result.stdout + result.stderr };
}

describe('worker threads', () => {
  it('two workers and the main thread train at once, each with its own tensors', () => {
    const { status, signal, output } = run(
      `let left = 2;
       for (const id of [1, 2]) start(id).on('message', (message) => {
         console.log(message);
         if (--left === 0) console.log('main', native.liveCount());
       });
       for (let i = 0; i < 200; i++) if (trainingStep() !== 8) throw new Error('main');`,
      `for (let i = 0; i < 200; i++) if (trainingStep() !== 8) throw new Error('worker');
       parentPort.postMessage('worker ' + native.liveCount());`,
    );
    expect({ status, signal, lines: output.trim().split('\n').sort() }).toEqual({
      status: 0,
      signal: null,
      lines: ['main 0', 'worker 0', 'worker 0'],
    });
  });

  it('terminate() in the middle of work, again and again', () => {
    const { status, signal, output } = run(
      `(async () => {
         for (let i = 0; i < 5; i++) {
           const worker = start(i);
           await new Promise((resolve) => worker.once('message', resolve));
           await worker.terminate();
         }
         console.log(trainingStep());
       })();`,
      `handleOf([1, 2]); native.createGenerator('cpu', 1); native.mapFile('package.json');
       parentPort.postMessage('ready');
       for (;;) trainingStep();`,
    );
    expect({ status, signal, output }).toEqual({ status: 0, signal: null, output: '8\n' });
  });

  it('an exception in a worker ends that worker only', () => {
    const { status, signal, output } = run(
      `start(0).on('error', (error) => console.log(error.message.split('\\n')[0])).on('exit', () => console.log(trainingStep()));`,
      `const a = handleOf([1]); native.call(operator('aten::matmul', ''), a, -1);`,
    );
    expect({ status, signal, output }).toEqual({
      status: 0,
      signal: null,
      output: 'aten::matmul: argument 2 (other): use of a disposed handle (-1)\n8\n',
    });
  });

  it('a handle of one thread means nothing in another', () => {
    const { status, output } = run(
      `const handle = handleOf([1, 2, 3]); start(handle).on('error', (error) => console.log(error.message));`,
      `native.shape(workerData);`,
    );
    expect({ status, output }).toEqual({ status: 0, output: 'use of a disposed handle (0)\n' });
  });

  it.each([
    ['falling off the end', ''],
    ['process.exit', 'process.exit(0);'],
    ['process.exit in a worker', `start(0);`, `handleOf([1]); trainingStep(); process.exit(0);`],
    [
      'with a worker at work',
      `start(0).on('message', () => process.exit(0));`,
      `parentPort.postMessage(0); for (;;) trainingStep();`,
    ],
  ])('live tensors, graphs, generators and files at the end: %s', (_, ending, worker = '') => {
    const { status, signal, output } = run(
      `const x = handleOf([1, 2]); native.setRequiresGrad(x, true);
       native.call(operator('aten::mul', 'Tensor'), x, x);
       native.createGenerator('cpu', 1); native.tensorInFile(native.mapFile('package.json'), 0, [4], 'uint8');
       ${ending}`,
      worker,
    );
    expect({ status, signal, output }).toEqual({ status: 0, signal: null, output: '' });
  });
});
