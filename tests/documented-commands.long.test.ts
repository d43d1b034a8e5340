/**
 * Runs the command lines of README and docs in a copy of the repository with nothing beside it, each document from its top,
 * with the small model of the demo. A server that a document starts is the one that its requests reach.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DocumentedCommand, documentedCommands, reasonNotToRun } from './support/documented-commands.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-documents-'));
const copy = join(folder, 'xinghe');
const port = 18_000 + (process.pid % 10_000);
let server: ChildProcess | undefined;

beforeAll(() => {
  mkdirSync(copy);
  const copied = spawnSync(
    'bash',
    [
      '-c',
      'git ls-files -z --cached --others --exclude-standard | xargs -0 cp -a --parents -t "$1"',
      'bash',
      copy,
    ],
    { cwd: root, encoding: 'utf8' },
  );
  expect(copied.status, copied.stderr).toBe(0);
  for (const built of ['build', 'dist'])
    expect(spawnSync('cp', ['-a', join(root, built), copy]).status).toBe(0);
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const given = process.env.XINGHE_TEST_DEMO; // A finished demo, to save its minutes.
  if (given !== undefined) cpSync(given, join(copy, 'out', 'demo'), { recursive: true });
  else {
    const demo = shell('bin/xinghe demo --quick --output out/demo');
    expect(demo.status, demo.stderr).toBe(0);
  }
}, 1_800_000);
afterAll(async () => {
  await stopServer();
  endBackground();
  rmSync(folder, { recursive: true, force: true });
});

/** Ends what a document starts in the background (setsid, tmux): its folder is the copy. */
function endBackground(): void {
  if (!existsSync('/proc')) return;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      if (readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)) process.kill(Number(pid), 'SIGTERM');
    } catch {
      // Gone meanwhile, or another user's.
    }
}

function shell(command: string) {
  return spawnSync('bash', ['-c', command], { cwd: copy, encoding: 'utf8', input: '', timeout: 600_000 });
}

async function stopServer(): Promise<void> {
  if (server === undefined || server.exitCode !== null) return;
  server.kill('SIGTERM');
  await once(server, 'close');
}

/** Until /health answers. The port of the document is taken by a free one. */
async function startServer(command: string): Promise<void> {
  await stopServer();
  const started = spawn('bash', ['-c', `exec ${command.replace(/ --port \d+/, '')} --port ${port}`], {
    cwd: copy,
  });
  server = started;
  let stderr = '';
  started.stderr.on('data', (piece) => {
    stderr += String(piece);
  });
  for (let waited = 0; waited < 600; waited += 1) {
    expect(started.exitCode, stderr).toBeNull();
    const isReady = await fetch(`http://127.0.0.1:${port}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`the server is not ready: ${stderr}`);
}

/** Files that a document asks its reader to save: "Save this as `PATH`" before a block. */
function saveFiles(file: string): void {
  const text = readFileSync(join(root, file), 'utf8');
  for (const [, path = '', content = ''] of text.matchAll(
    /[Ss]ave this as `([^`]+)`[^\n]*\n+```\w*\n([\s\S]*?)```/g,
  ))
    writeFileSync(join(copy, path), content);
}

const TRAINING = 'docs/training.md';

/** What another document has told its reader to make. */
function makeForeignOutputs(file: string): void {
  if (file === TRAINING || !readFileSync(join(root, file), 'utf8').includes('out/lora/adapter')) return;
  saveFiles(TRAINING);
  const { status, stderr } = shell('bin/xinghe train --config out/lora.yaml');
  expect(status, stderr).toBe(0);
}

const files = new Map<string, DocumentedCommand[]>();
for (const each of documentedCommands()) files.set(each.file, [...(files.get(each.file) ?? []), each]);

describe.each([...files.keys()])('%s', (file) => {
  const commands = (files.get(file) ?? []).filter(({ command }) => reasonNotToRun(command) === undefined);
  let preamble = '';

  beforeAll(() => {
    // What a document writes is its own: one follows no other, and none finds an output of another.
    for (const name of readdirSync(join(copy, 'out')))
      if (name !== 'demo') rmSync(join(copy, 'out', name), { recursive: true });
    saveFiles(file);
    makeForeignOutputs(file);
  });
  afterAll(stopServer);

  test.each(commands.map(({ line, command }) => [line, command] as const))(
    'line %i: %s',
    async (_, command) => {
      if (command.startsWith('bin/xinghe serve ')) return startServer(command);
      const here = command.replaceAll('127.0.0.1:8000', `127.0.0.1:${port}`);
      // A page goes on until Ctrl-C, which ends it with 0.
      const isPage = here.startsWith('bin/xinghe watch ');
      if (/^[A-Z]\w*=[^ ]*(;|$)/.test(here)) preamble = `${here}\n`;
      const { status, stdout, stderr } = shell(
        preamble +
          (isPage ? 'timeout --foreground --preserve-status -s INT 10 ' : '') +
          here.replace(/^curl /, 'curl --fail-with-body -sS '),
      );
      expect(status, `${stdout}\n${stderr}`).toBe(0);
    },
    600_000,
  );
});
