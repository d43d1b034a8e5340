/** What the verbs of `xinghe bench` share: options, and the way from a plan to a printed result. */
import { availableParallelism } from 'node:os';
import {
  type Benchmark,
  type BenchmarkResult,
  type BenchSession,
  formatResult,
  NotQuietError,
  type PeerChoice,
  runBenchmark,
  withBenchSession,
  writeResult,
} from '../../bench/index.js';
import { log, writeStderr } from '../../log/index.js';
import type { OptionSpec, OptionValues } from '../options.js';

export const roundOptions = {
  rounds: { kind: 'integer', min: 1, help: 'rounds, each a process of each side; default 3' },
  seconds: {
    kind: 'number',
    min: 1,
    help: 'no further round is begun that would end later; default 90',
  },
  'require-quiet': {
    kind: 'flag',
    help: 'wait until no other program computes; exit code 1 where it does not come to that',
  },
  'quiet-timeout': { kind: 'number', min: 1, help: 'seconds to wait for that, in all; default 60' },
  output: {
    kind: 'string',
    value: 'PATH',
    help: 'the result as Markdown into this file, or into this folder under subject, hardware and date; default stdout',
  },
  json: { kind: 'flag', help: 'print one JSON document on stdout' },
} as const satisfies Record<string, OptionSpec>;

export const peerOptions = {
  python: { kind: 'string', value: 'PYTHON', help: 'interpreter of peers in Python; default python3' },
  from: {
    kind: 'string',
    value: 'FOLDER',
    help: 'working folder of the peer, where a Node peer finds its packages; default the present one',
  },
} as const satisfies Record<string, OptionSpec>;

/** `--against` of a verb. @param names peers that it knows */
export function againstOption(names: string): { kind: 'string'; value: string; help: string } {
  return {
    kind: 'string',
    value: 'PEER',
    help: `run in turns with ${names}, or with a program of yours that prints JSON in its last line`,
  };
}

export const threadsOption = {
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
} as const satisfies Record<string, OptionSpec>;

export const sizeOption = {
  size: {
    kind: 'string',
    value: 'SIZE',
    help: 'random weights of this size: 33m, 130m, 350m, 1.3b, or layers=24,hidden=2048,ffn=5632,heads=32,kv-heads=8,vocab=32000',
  },
} as const satisfies Record<string, OptionSpec>;

export const NOTES =
  'Both sides run in turns, each time as a process of its own; best, median and spread of the rounds are printed with the load before each run\n' +
  'and what the machine can do at most. A program of yours for --against gets its arguments as bench/README.md lists them.';

export type RoundValues = OptionValues<typeof roundOptions>;

export function threadsOf({ threads }: { readonly threads: number | undefined }): number {
  return threads ?? availableParallelism();
}

export function peerChoice({
  against,
  python,
  from,
}: {
  readonly against: string | undefined;
  readonly python: string | undefined;
  readonly from: string | undefined;
}): PeerChoice {
  return { against, python: python ?? 'python3', from };
}

const DEFAULT_ROUNDS = 3;
const DEFAULT_SECONDS = 90;
const DEFAULT_QUIET_TIMEOUT = 60;

/**
 * Plans, runs and prints. @param verb "decode" @param args as they were typed behind it
 * @returns the exit code: 1 where a quiet machine was required and was not there
 */
export async function runBench(
  verb: string,
  args: readonly string[],
  options: RoundValues,
  plan: (session: BenchSession) => Benchmark | Promise<Benchmark>,
): Promise<number> {
  const required = options['require-quiet'];
  try {
    const result = await withBenchSession(async (session) =>
      runBenchmark(await plan(session), {
        rounds: options.rounds ?? DEFAULT_ROUNDS,
        seconds: options.seconds ?? DEFAULT_SECONDS,
        quietTimeout: required ? (options['quiet-timeout'] ?? DEFAULT_QUIET_TIMEOUT) : undefined,
        command: ['xinghe', 'bench', verb, ...args.map(shellWord)].join(' '),
        signal: session.signal,
      }),
    );
    await print(result, options);
    if (!required || result.quiet) return 0;
    writeStderr(`xinghe bench: the machine did not stay quiet (${result.quietText})\n`);
    return 1;
  } catch (error) {
    if (!(error instanceof NotQuietError)) throw error;
    writeStderr(`xinghe ${error.message}\n`);
    return 1;
  }
}

async function print(result: BenchmarkResult, { output, json }: RoundValues): Promise<void> {
  if (output !== undefined) log(`result in ${await writeResult(result, output)}`);
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else if (output === undefined) process.stdout.write(formatResult(result));
}

/** As a shell reads it again. */
function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
