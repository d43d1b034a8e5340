// From the start of a process to its first token, against llama.cpp through node-llama-cpp, in turns; one line of JSON.
//
//   node bench/first-token.mjs --model DIR --gguf FILE --from FOLDER [--prompt 16] [--rounds 3] [--threads N]
//
// Both sides: a new process, the model out of the page cache, a prompt of so many ids, one token, the end of the process.
// Ours is `xinghe generate`; theirs the few lines below, which find node-llama-cpp from the folder --from.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    gguf: { type: 'string' },
    from: { type: 'string' },
    prompt: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: String(cpus().length) },
  },
});
const { model, gguf, from, threads } = values;
if (model === undefined || gguf === undefined || from === undefined)
  throw new TypeError('--model DIR, --gguf FILE and --from FOLDER are required');
const ids = Array.from({ length: Number(values.prompt) }, (_, index) => 300 + ((index * 7919) % 20000));

const peer = `
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const { getLlama, LlamaLogLevel } = await import(
  pathToFileURL(createRequire(pathToFileURL(process.cwd() + '/')).resolve('node-llama-cpp')).href
);
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: ${JSON.stringify(gguf)} });
const context = await model.createContext({ contextSize: ${ids.length + 16}, threads: ${threads}, flashAttention: true });
for await (const token of context.getSequence().evaluate(${JSON.stringify(ids)}, { temperature: 0 })) {
  console.log(token);
  break;
}
process.exit(0);
`;

const folder = mkdtempSync(join(tmpdir(), 'xinghe-first-token-'));
try {
  const file = join(folder, 'ids.json');
  writeFileSync(file, JSON.stringify({ input_ids: [ids] }));
  const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
  const ours = [
    program,
    'generate',
    '--model',
    model,
    '--input',
    file,
    '--max-new-tokens',
    '1',
    '--threads',
    threads,
  ];
  const script = join(folder, 'peer.mjs');
  writeFileSync(script, peer);
  const times = { ours: [], theirs: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    times.ours.push(await seconds(ours));
    times.theirs.push(await seconds([script], from));
  }
  const [own, other] = [Math.min(...times.ours), Math.min(...times.theirs)];
  console.log(
    JSON.stringify({
      promptTokens: ids.length,
      oursSeconds: Number(own.toFixed(2)),
      theirsSeconds: Number(other.toFixed(2)),
      ratio: Number((own / other).toFixed(2)),
      load: loadavg()[0]?.toFixed(1),
    }),
  );
} finally {
  rmSync(folder, { recursive: true });
}

/** @param {string[]} args @param {string} [cwd] @returns {Promise<number>} */
function seconds(args, cwd) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (piece) => {
      text += piece;
    });
    child.on('close', (code) => {
      if (code === 0 && text.trim() !== '') resolve((performance.now() - start) / 1e3);
      else reject(new Error(`${args[0]} ended with ${code}`));
    });
  });
}
