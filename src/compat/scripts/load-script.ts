/** A published launch script, or a file with nothing but its arguments, as our configuration. */
import { applyOverrides } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { readFileStart } from '../../formats/index.js';
import { type ImportedRun, overlayOwnKeys, refuseOwnKeys, valueAt } from '../imported-run.js';
import type { ArgumentRun } from './argument-run.js';
import { launchDevices } from './launch-devices.js';
import { readArguments } from './read-arguments.js';
import { parseShell, type ShellCommand } from './shell-words.js';
import { readTelechatArguments, telechatKeys } from './telechat-arguments.js';
import { readXverseArguments, xverseKeys } from './xverse-arguments.js';

export interface ScriptRun extends ImportedRun {
  readonly suite: 'telechat' | 'xverse';
  /** Stage of ZeRO that the script asks for. */
  readonly zeroStage: 0 | 1 | 2 | 3;
  /** Go on from the last checkpoint, or from the named one. */
  readonly resume: boolean | string;
}

interface Suite {
  readonly name: ScriptRun['suite'];
  readonly keys: readonly string[];
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
  const { suite, values, notes, doubt } = findArguments(text, source);
  refuseOwnKeys(overrides, suite.keys);
  const changed = applyOverrides(values, overrides);
  const { own, train, knowsDevices = false, ...run } = suite.read(changed, source);
  const isCounted = knowsDevices || valueAt(changed, 'num_gpus') !== undefined;
  return {
    ...run,
    suite: suite.name,
    train: overlayOwnKeys(train, own),
    missing: run.missing.filter(({ key }) => !isAnswered(key, own)),
    warnings: [...notes, ...(doubt === undefined || isCounted ? [] : [doubt]), ...run.warnings],
  };
}

/** Does a key of ours say what the argument left open? */
function isAnswered(key: string, own: Readonly<Record<string, unknown>> | undefined): boolean {
  const section = key === 'model_name_or_path' ? 'model' : 'data';
  return own !== undefined && Object.hasOwn(own, section);
}

interface FoundArguments {
  readonly suite: Suite;
  readonly values: Record<string, unknown>;
  /** What of the script is left aside; a sentence each. */
  readonly notes: readonly string[];
  /** Why the number of devices is not known. */
  readonly doubt?: string | undefined;
}

/** Keys of ours, which no program has as an argument. */
const OURS = new Set(['num_gpus', 'xinghe']);

function argumentsOf(words: readonly string[], suite: Suite, source: string): Record<string, unknown> {
  return readArguments(
    words,
    suite.keys.filter((key) => !OURS.has(key)),
    source,
  );
}

function findArguments(text: string, source: string): FoundArguments {
  const commands = parseShell(text, source);
  const notes: string[] = [];
  let found: FoundArguments | undefined;
  let isOfFound = false;
  for (const { words, variables, line, isCutOff } of commands) {
    if (isCutOff && isOfFound) {
      notes.push(
        `line ${line}: "${words.join(' ')}" is not read: a comment ends the command before it, and the shell takes this for another one.`,
      );
      continue;
    }
    isOfFound = false;
    const program = words.findIndex((word) => /(?:^|\/)(?:main|train_bash)\.py$/.test(word));
    if (program < 0) continue;
    if (found !== undefined) {
      notes.push(`line ${line}: a second program is started; only the first one is read.`);
      continue;
    }
    isOfFound = true;
    const suite = words[program]?.endsWith('main.py') === true ? telechat : xverse;
    const values = argumentsOf(words.slice(program + 1), suite, source);
    const { devices, doubt } = launchDevices({ words: words.slice(0, program), variables, source });
    found = {
      suite,
      values: { ...(devices !== undefined && { num_gpus: devices }), ...values },
      notes,
      doubt,
    };
  }
  return found ?? bareArguments(commands, source);
}

/** A file of arguments alone; those after a comment belong to them too. */
function bareArguments(commands: readonly ShellCommand[], source: string): FoundArguments {
  const bare = commands.flatMap(({ words }) => words);
  if (bare[0]?.startsWith('-') !== true)
    throw new InputError(
      `${source}: no call of TeleChat's main.py or of train_bash.py is in this script; give such a script, or its arguments alone.`,
    );
  const names = new Set(bare.map((word) => word.replace(/=.*$/s, '')));
  const suite = names.has('--stage') || names.has('--finetuning_type') ? xverse : telechat;
  return { suite, values: readArguments(bare, suite.keys, source), notes: [] };
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
