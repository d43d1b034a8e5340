/** Finds the rank that hangs, by what the ranks have told. */
import { formatDuration } from '../../log/index.js';
import type { RankBeat } from './protocol.js';

/** Ranks that have not begun to beat: a busy machine may take a while to start them. */
const START_SECONDS = 60;
/** Four beats: too many to be chance, too few to end a run for. */
const UNHEARD_SECONDS = 2;

export interface KnownBeat {
  readonly beat: RankBeat;
  /** Since this was told, in seconds. */
  readonly age: number;
}

/**
 * A rank without a sign of life for `timeout` seconds hangs: it is stopped, or its machine is. If none has marked anything for as
 * long, the one that is not heard does, which stopped the others only later; if all are heard, the one with the oldest mark. Ranks
 * that mark nothing, or that wait for work, are not judged by marks; programs none of whose ranks beats are not judged at all.
 * @returns why, naming the rank; undefined: nobody hangs
 */
export function findHang(ranks: readonly KnownBeat[], timeout: number): string | undefined {
  if (!ranks.some(({ beat }) => beat.hasBeaten)) return undefined;
  const silent = longest(
    ranks.filter(
      (known) => silenceOf(known) >= (known.beat.hasBeaten ? timeout : Math.max(timeout, START_SECONDS)),
    ),
    silenceOf,
  );
  if (silent !== undefined) return silenceText(silent);
  const marking = ranks.filter(({ beat }) => beat.mark !== undefined && beat.mark.phase !== '');
  if (marking.length === 0 || !marking.every((known) => idleOf(known) >= timeout)) return undefined;
  const unheard =
    ranks.find(({ beat }) => beat.isStopped) ??
    longest(
      ranks.filter((known) => known.beat.hasBeaten && silenceOf(known) >= UNHEARD_SECONDS),
      silenceOf,
    );
  if (unheard !== undefined) return silenceText(unheard);
  const stuck = longest(marking, idleOf);
  if (stuck === undefined) return undefined;
  return `no rank has made progress for ${seconds(timeout)}; ${nameOf(stuck.beat)} has stood still for longest, ${seconds(idleOf(stuck))}, in ${stuck.beat.mark?.phase}`;
}

function silenceText(known: KnownBeat): string {
  const why = known.beat.isStopped ? ': a signal has stopped it (SIGSTOP)' : '';
  return `${nameOf(known.beat)} has given no sign of life for ${seconds(silenceOf(known))}${why}`;
}

/** One line a rank: step, phase, since when. */
export function describeRanks(ranks: readonly KnownBeat[]): string[] {
  return [...ranks]
    .sort((one, other) => one.beat.rank - other.beat.rank)
    .map((known) => {
      const { mark, hasBeaten, isStopped } = known.beat;
      const place =
        mark === undefined
          ? 'has marked no step'
          : `step ${mark.step}, ${mark.phase || 'waiting for work'}, for ${seconds(idleOf(known))}`;
      const silence = silenceOf(known);
      const life = !hasBeaten
        ? '; has not been heard at all'
        : silence >= UNHEARD_SECONDS
          ? `; last heard ${seconds(silence)} ago`
          : '';
      return `${nameOf(known.beat)}: ${place}${life}${isStopped ? '; stopped by a signal (SIGSTOP)' : ''}`;
    });
}

function silenceOf({ beat, age }: KnownBeat): number {
  return beat.silence + age;
}

function idleOf({ beat, age }: KnownBeat): number {
  return (beat.mark?.seconds ?? 0) + age;
}

function nameOf({ rank, node, pid }: RankBeat): string {
  return `rank ${rank} (node ${node}, process ${pid})`;
}

function seconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} s` : formatDuration(value);
}

function longest(ranks: readonly KnownBeat[], measure: (known: KnownBeat) => number): KnownBeat | undefined {
  return ranks.reduce<KnownBeat | undefined>(
    (found, known) => (found === undefined || measure(known) > measure(found) ? known : found),
    undefined,
  );
}
