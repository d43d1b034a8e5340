/** The programs that ours is compared with: known by name, or a program of the user's that prints JSON in its last line. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { didYouMeanHint } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import type { Side } from '../rounds/side.js';

interface NamedPeer {
  /** Under bench/peers/. */
  readonly file: string;
  /** Python modules, or the one Node package, that must be there. */
  readonly needs: readonly string[];
  /** How to get them. */
  readonly install: string;
  /** Before the arguments of the verb. */
  readonly args?: readonly string[];
  readonly subjects: readonly PeerSubject[];
}

export type PeerSubject =
  | 'train'
  | 'decode'
  | 'prompt'
  | 'op'
  | 'encode'
  | 'vocabulary'
  | 'convert'
  | 'data'
  | 'serve';

const PYTORCH = 'pip install torch==2.13.0 transformers==5.24.0 peft==0.21.2';
const TOKENIZERS = 'pip install sentencepiece==0.2.3 tokenizers==0.23.3';

const PEERS: Readonly<Record<string, readonly NamedPeer[]>> = {
  pytorch: [
    { file: 'pytorch-train.py', needs: ['torch', 'transformers'], install: PYTORCH, subjects: ['train'] },
    { file: 'pytorch-operator-call.py', needs: ['torch'], install: PYTORCH, subjects: ['op'] },
  ],
  'pytorch-compile': [
    {
      file: 'pytorch-train.py',
      needs: ['torch', 'transformers'],
      install: PYTORCH,
      args: ['--compile'],
      subjects: ['train'],
    },
  ],
  'llama.cpp': [
    {
      file: 'llama-cpp.mjs',
      needs: ['node-llama-cpp'],
      install: 'npm install node-llama-cpp@3.22.1 --ignore-scripts',
      subjects: ['decode', 'prompt'],
    },
  ],
  sentencepiece: [
    {
      file: 'tokenizer-encode.py',
      needs: ['sentencepiece'],
      install: TOKENIZERS,
      args: ['sentencepiece'],
      subjects: ['encode'],
    },
    { file: 'tokenizer-train.py', needs: ['sentencepiece'], install: TOKENIZERS, subjects: ['vocabulary'] },
  ],
  tokenizers: [
    {
      file: 'tokenizer-encode.py',
      needs: ['tokenizers'],
      install: TOKENIZERS,
      args: ['tokenizers'],
      subjects: ['encode'],
    },
    { file: 'tokenizer-train.py', needs: ['tokenizers'], install: TOKENIZERS, subjects: ['vocabulary'] },
  ],
  safetensors: [
    {
      file: 'safetensors-convert.py',
      needs: ['safetensors', 'torch'],
      install: 'pip install torch==2.13.0 safetensors==0.8.0',
      subjects: ['convert'],
    },
  ],
  datasets: [
    {
      file: 'datasets-prepare.py',
      needs: ['datasets', 'tokenizers'],
      install: 'pip install datasets tokenizers==0.23.3',
      subjects: ['data'],
    },
  ],
};

export interface PeerOptions {
  /** A name, or a path. */
  readonly against: string;
  /** The interpreter of Python programs. */
  readonly python: string;
  /** The working folder of the program; of Node programs where packages are looked for. Default: the present one. */
  readonly from: string | undefined;
}

/** A peer that is there; called with the arguments of the verb it gives the side. */
export interface Peer {
  readonly name: string;
  side(args: readonly string[], rest?: Partial<Side>): Side;
}

/** @throws InputError for a name that there is not, a program that is not there, and packages that are not installed */
export function openPeer(subject: PeerSubject, { against, python: given, from }: PeerOptions): Peer {
  // A path is meant from here, not from the folder in which the peer runs; a bare name is looked for on the path.
  const python = given.includes('/') ? resolve(given) : given;
  if (from !== undefined && fileStatus(from)?.isDirectory() !== true)
    throw new InputError(`--from ${from}: there is no such folder.`);
  const named = PEERS[against]?.find(({ subjects }) => subjects.includes(subject));
  const option = `--against ${against}`;
  if (named === undefined) return programPeer(subject, { against, python, from }, option);
  const program = fileURLToPath(new URL(`../../../bench/peers/${named.file}`, import.meta.url));
  const isPython = named.file.endsWith('.py');
  if (isPython) requirePython(option, python, named);
  else requirePackage(option, from ?? process.cwd(), named);
  return {
    name: against,
    side: (args, rest) => ({
      name: against,
      command: isPython ? python : process.execPath,
      args: [program, ...(named.args ?? []), ...args],
      cwd: from,
      env: { HF_HUB_OFFLINE: '1' },
      option,
      ...rest,
    }),
  };
}

/** Names that a verb knows. */
export function peersOf(subject: PeerSubject): string[] {
  return Object.entries(PEERS)
    .filter(([, programs]) => programs.some(({ subjects }) => subjects.includes(subject)))
    .map(([name]) => name);
}

function programPeer(subject: PeerSubject, { against, python, from }: PeerOptions, option: string): Peer {
  const file = resolve(against);
  if (fileStatus(file)?.isFile() !== true) {
    const names = peersOf(subject);
    const known =
      names.length === 0 ? '' : `${didYouMeanHint(against, names)} There are ${names.join(', ')}.`;
    throw new InputError(
      `${option}: neither a peer of this verb nor a program.${known} A program is a path to a .py, a .mjs, or anything that runs.`,
    );
  }
  const interpreter = { '.py': python, '.mjs': process.execPath, '.js': process.execPath }[extname(file)];
  if (interpreter === undefined && !isExecutable(file))
    throw new InputError(`${option}: the file may not be run; chmod +x ${against}, or name a .py or a .mjs.`);
  return {
    name: basename(file),
    side: (args, rest) => ({
      name: basename(file),
      command: interpreter ?? file,
      args: interpreter === undefined ? args : [file, ...args],
      cwd: from,
      option,
      ...rest,
    }),
  };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function requirePython(option: string, python: string, { needs, install }: NamedPeer): void {
  const script = `import importlib.util as u, sys; print(' '.join(n for n in sys.argv[1:] if u.find_spec(n) is None))`;
  const { status, stdout, error } = spawnSync(python, ['-c', script, ...needs], { encoding: 'utf8' });
  if (error !== undefined || status !== 0)
    throw new InputError(
      `${option}: ${python} cannot be run; name an interpreter by --python PYTHON (it needs ${needs.join(' and ')}: ${install}).`,
    );
  const missing = stdout
    .trim()
    .split(' ')
    .filter((name) => name !== '');
  if (missing.length > 0)
    throw new InputError(
      `${option}: ${python} has no ${missing.join(' and no ')}; in an environment of its own: ${install}; then name its interpreter by ` +
        '--python PYTHON.',
    );
}

function requirePackage(option: string, folder: string, { needs: [name = ''], install }: NamedPeer): void {
  try {
    createRequire(join(resolve(folder), 'any.js')).resolve(name);
  } catch {
    throw new InputError(
      `${option}: ${name} is not installed in ${folder} or a folder above it; in a folder of its own: ${install}; then name that folder ` +
        'by --from FOLDER.',
    );
  }
}
