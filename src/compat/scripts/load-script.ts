/** A published launch script, or a file with nothing but its arguments, as our configuration. */
import { applyOverrides } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { readFileStart } from '../../formats/index.js';
import { type ImportedRun, overlayOwnKeys, refuseOwnKeys } from '../imported-run.js';
import type { ArgumentRun } from './argument-run.js';
import { readArguments } from './read-arguments.js';
import { parseShell } from './shell-words.js';
import { readTelechatArguments, telechatKeys } from './telechat-arguments.js';
import { readXverseArguments, xverseKeys } from './xverse-arguments.js';

export interface ScriptRun extends ImportedRun {
  readonly suite: 'telechat' | 'xverse';
  /** Stage of ZeRO that the script asks for. */
  readonly zeroStage: 0 | 1 | 2 | 3;
}

interface Suite {
  readonly name: ScriptRun['suite'];
  readonly keys: Iterable<string>;
  readonly read: (values: unknown, source: string) => ArgumentRun;
}

const telechat: Suite = { name: 'telechat', keys: Object.keys(telechatKeys), read: readTelechatArguments };
const xverse: Suite = { name: 'xverse', keys: Object.keys(xverseKeys), read: readXverseArguments };

const MAX_BYTES = 1 << 20;

/**
 * @param overrides key=value with the arguments' names (without --); keys of ours with `xinghe.` before them
 * @throws InputError naming the file and the argument
 */
export function loadScript(path: string, overrides: readonly string[] = []): ScriptRun {
  return readScript(readText(path), path, overrides);
}

/** @param source names the script in messages; files that it names are also looked for beside it */
export function readScript(text: string, source: string, overrides: readonly string[] = []): ScriptRun {
  const { suite, values } = findArguments(text, source);
  refuseOwnKeys(overrides, suite.keys);
  const { own, train, ...run } = suite.read(applyOverrides(values, overrides), source);
  return {
    ...run,
    suite: suite.name,
    train: overlayOwnKeys(train, own),
    missing: run.missing.filter(({ key }) => !isAnswered(key, own)),
  };
}

/** Does a key of ours say what the argument left open? */
function isAnswered(key: string, own: Readonly<Record<string, unknown>> | undefined): boolean {
  const section = key === 'model_name_or_path' ? 'model' : 'data';
  return own !== undefined && Object.hasOwn(own, section);
}

function findArguments(text: string, source: string): { suite: Suite; values: Record<string, unknown> } {
  const { commands, variables } = parseShell(text, source);
  for (const command of commands) {
    const program = command.findIndex((word) => /(?:^|\/)(?:main|train_bash)\.py$/.test(word));
    if (program < 0) continue;
    const suite = command[program]?.endsWith('main.py') === true ? telechat : xverse;
    const values = readArguments(command.slice(program + 1), source);
    return { suite, values: { ...devicesOf(command.slice(0, program), variables), ...values } };
  }
  const bare = commands.flat();
  if (bare[0]?.startsWith('-') !== true)
    throw new InputError(
      `${source}: no call of TeleChat's main.py or of train_bash.py is in this script; give such a script, or its arguments alone.`,
    );
  const values = readArguments(bare, source);
  const isXverse = 'stage' in values || 'finetuning_type' in values;
  return { suite: isXverse ? xverse : telechat, values };
}

/** How many devices a launcher would take: by its own argument, or by the variable of the script. */
function devicesOf(
  launcher: readonly string[],
  variables: ReadonlyMap<string, string>,
): { num_gpus?: number } {
  const stated = /--num_gpus[= ](\d{1,5})/.exec(launcher.join(' '))?.[1];
  const visible = variables.get('CUDA_VISIBLE_DEVICES')?.split(',').length;
  const devices = stated === undefined ? visible : Number(stated);
  return devices === undefined ? {} : { num_gpus: devices };
}

function readText(path: string): string {
  const bytes = readFileStart(path, MAX_BYTES + 1);
  if (bytes.length > MAX_BYTES)
    throw new InputError(`${path} is larger than ${MAX_BYTES} bytes; a script may have so many.`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${path} is not valid UTF-8; save it as UTF-8.`);
  }
}
