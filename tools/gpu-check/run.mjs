// Runs the parts of the check one after the other, each a process with a limit of its own, and writes the report after
// each of them: what is done is known even where the next part takes the machine down.
//
//   node gpu-check/run.mjs [--device cuda|cpu] [--output FILE.md] [--seconds 480] [--only goldens,training,decode]
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { decodeSection, goldenSection, machineSection, trainingSection } from './report.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const python = process.env.PYTHON ?? 'python3';
const parts = ['goldens', 'training', 'decode'];

/** Seconds that each process may take at the most, of 480 for the whole. */
const shares = { setup: 240, goldens: 120, ours: 50, pytorch: 50, compiled: 80 };
const wholeSeconds = 480;

const options = readOptions();
const limits = Object.fromEntries(
  Object.entries(shares).map(([part, seconds]) => [part, (seconds * options.seconds) / wholeSeconds]),
);
const deadline = performance.now() + options.seconds * 1000;
/** @type {string[]} */
const sections = [];
let isMet = true;

const environment = {
  ...process.env,
  XINGHE_CACHE: join(root, 'cache'),
  XINGHE_TEST_DEVICE: options.device,
  // Of PyTorch's compiler, which writes beside its user's home otherwise.
  TORCHINDUCTOR_CACHE_DIR: join(root, 'cache', 'inductor'),
  TRITON_CACHE_DIR: join(root, 'cache', 'triton'),
};

await check();
process.exitCode = isMet ? 0 : 1;

async function check() {
  const setup = await run(
    'set-up',
    process.execPath,
    ['tools/setup.mjs', '--only', 'native'],
    limits.setup,
    'inherit',
  );
  add(machineSection({ ...machine(), setup }));
  if (setup.fault !== undefined) {
    isMet = false;
    return;
  }
  if (options.only.includes('goldens')) {
    const goldens = await run(
      'goldens',
      process.execPath,
      ['gpu-check/goldens.mjs', ...small()],
      limits.goldens,
    );
    const section = goldenSection('Golden numbers', goldens);
    isMet = section.isMet;
    add(section.text);
    // Whose fault is it?
    if (!isMet && options.device !== 'cpu') {
      environment.XINGHE_KERNELS = 'off';
      const composed = await run(
        'goldens without our kernels',
        process.execPath,
        ['gpu-check/goldens.mjs'],
        limits.goldens,
      );
      add(goldenSection('Golden numbers without our kernels', composed).text);
    }
  }
  if (options.only.includes('training')) add(trainingSection(await bothSides('training')));
  if (options.only.includes('decode')) add(decodeSection(await bothSides('decode')));
}

/** @param {'training' | 'decode'} what */
async function bothSides(what) {
  const arguments_ = [what, '--device', options.device, ...small()];
  // One after the other: two programs on one device would halve each other.
  const ours = await run(
    `${what}, ours`,
    process.execPath,
    ['gpu-check/measure.mjs', ...arguments_],
    limits.ours,
  );
  const script = ['gpu-check/reference.py', ...arguments_];
  const eager = await run(`${what}, PyTorch`, python, script, limits.pytorch);
  const compiled = await run(`${what}, PyTorch compiled`, python, [...script, '--compile'], limits.compiled);
  return { ours, eager, compiled };
}

/** @returns {string[]} on the CPU the same with small shapes, to try the check itself */
function small() {
  return options.device === 'cpu' ? ['--small'] : [];
}

/** @param {string} section */
function add(section) {
  sections.push(section);
  const text = `${sections.join('\n\n')}\n`;
  process.stdout.write(`${section}\n\n`);
  if (options.output !== undefined) writeFileSync(options.output, text);
}

/**
 * @typedef {{ seconds: number, lines: any[], fault?: string }} Outcome lines: those of its stdout that are JSON
 * @param {string} name @param {string} command @param {string[]} args @param {number} limit in seconds
 * @param {'inherit' | 'pipe'} [stderr]
 * @returns {Promise<Outcome>}
 */
function run(name, command, args, limit, stderr = 'pipe') {
  const start = performance.now();
  const seconds = Math.min(limit, (deadline - start) / 1000);
  if (seconds < 1) return Promise.resolve({ seconds: 0, lines: [], fault: 'no time was left' });
  process.stderr.write(`gpu-check: ${name} (at most ${seconds.toFixed(0)} s)\n`);
  return new Promise((resolve) => {
    // A group of its own, so that what it has started ends with it.
    const child = spawn(command, args, {
      cwd: root,
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', stderr],
    });
    let output = '';
    let complaint = '';
    let isLate = false;
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      complaint = (complaint + text).slice(-4000);
    });
    const timer = setTimeout(() => {
      isLate = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, seconds * 1000);
    const end = (/** @type {string | undefined} */ fault) => {
      clearTimeout(timer);
      const taken = (performance.now() - start) / 1000;
      resolve({ seconds: taken, lines: jsonLines(output), ...(fault !== undefined && { fault }) });
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => {
      if (isLate) end(`ended after its ${seconds.toFixed(0)} s`);
      else if (code === 0) end(undefined);
      else end(`${signal ?? `exit code ${code}`}: ${complaint.trim().split('\n').slice(-6).join('\n')}`);
    });
  });
}

/** @param {string} output @returns {any[]} */
function jsonLines(output) {
  return output.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}

function machine() {
  const torch = spawnSync(python, ['-c', 'import torch; print(torch.__version__, torch.version.cuda)'], {
    encoding: 'utf8',
  });
  const gpus = spawnSync(
    'nvidia-smi',
    ['--query-gpu=name,driver_version,memory.total,clocks.max.sm', '--format=csv,noheader'],
    { encoding: 'utf8' },
  );
  return {
    device: options.device,
    gpus: gpus.status === 0 ? gpus.stdout.trim().split('\n') : [],
    cpu: `${cpus()[0]?.model.trim() ?? process.arch}, ${cpus().length} cores`,
    system: `Linux ${release()}`,
    load: loadavg()[0]?.toFixed(1) ?? '',
    node: process.versions.node,
    torch: torch.stdout?.trim() ?? '',
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
  };
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        device: { type: 'string', default: 'cuda' },
        output: { type: 'string' },
        seconds: { type: 'string', default: '480' },
        only: { type: 'string', default: parts.join(',') },
      },
    });
    const only = values.only.split(',');
    const unknown = only.find((part) => !parts.includes(part));
    if (unknown !== undefined) throw new TypeError(`--only knows ${parts.join(', ')}; found "${unknown}"`);
    if (!/^(cpu|cuda(:\d+)?)$/.test(values.device))
      throw new TypeError(`--device is cpu, cuda or cuda:N; found "${values.device}"`);
    const seconds = Number(values.seconds);
    if (!(seconds >= 1)) throw new TypeError(`--seconds is a number of seconds; found "${values.seconds}"`);
    return { device: values.device, output: values.output, seconds, only };
  } catch (error) {
    process.stderr.write(`gpu-check: ${error instanceof Error ? error.message : error}\n`);
    process.exit(2);
  }
}
