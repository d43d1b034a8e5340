/** What the verbs have in common. */
import { basename, resolve } from 'node:path';
import type { Architecture } from '../../models/index.js';
import type { BenchSession } from '../bench-session.js';
import { parseModelSize } from '../materials/model-sizes.js';
import { openPeer, type Peer, type PeerSubject } from '../peers/peers.js';

export interface PeerChoice {
  readonly against?: string | undefined;
  readonly python: string;
  readonly from?: string | undefined;
}

export interface ModelChoice {
  /** A folder or file that is there; undefined: random weights of `size`. */
  readonly model?: string | undefined;
  /** As `parseModelSize`. */
  readonly size: string;
}

/** @throws InputError as `openPeer` */
export function chosenPeer(subject: PeerSubject, { against, python, from }: PeerChoice): Peer | undefined {
  return against === undefined ? undefined : openPeer(subject, { against, python, from });
}

export interface ChosenModel {
  readonly path: string;
  /** For titles: "350m", or the last part of the path. */
  readonly name: string;
  readonly isRandom: boolean;
}

/** The model that was named, or one made in the folder of the session; by a whole path, since peers run in another folder. */
export async function chosenModel(
  { model, size }: ModelChoice,
  dtype: 'bfloat16' | 'float32',
  session: BenchSession,
): Promise<ChosenModel> {
  if (model !== undefined) return { path: resolve(model), name: basename(model), isRandom: false };
  const path = `${session.folder}/model-${dtype}`;
  await session.make('make-model', { to: path, size: parseModelSize(size), dtype });
  return { path, name: size, isRandom: true };
}

/** Options as a program takes them: what is undefined or false is left out, true is a flag. */
export function argumentsOf(
  values: Readonly<Record<string, string | number | boolean | undefined>>,
): string[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined || value === false
      ? []
      : value === true
        ? [`--${name}`]
        : [`--${name}`, String(value)],
  );
}

export const RANDOM_WEIGHTS = 'The weights are random: speed does not depend on them.';

/** For the notes of a result. */
export function weightsNote({ isRandom }: ChosenModel): string[] {
  return isRandom ? [RANDOM_WEIGHTS] : [];
}

/** Loads what reads configs only where a model is named. */
export async function namedArchitecture(model: string): Promise<Architecture> {
  const { loadModelArchitecture } = await import('../../models/index.js');
  return loadModelArchitecture(model);
}
