/** What the launchers of several nodes say to each other, one JSON a line; on one node the same values go from hand to hand. */
import { z } from 'zod';

const count = z.int().min(0);
const signal = z.enum(['SIGINT', 'SIGTERM', 'SIGUSR1']);

const rankStart = z.object({ rank: count, localRank: count, device: count });

/** One start of the ranks of one node. */
const nodeStart = z.object({
  node: count,
  nodes: z.int().min(1),
  run: z.string(),
  /** How many times they were started before. */
  restart: count,
  maxRestarts: count,
  worldSize: z.int().min(1),
  masterAddress: z.string(),
  masterPort: z.int().min(1).max(65_535),
  ranks: z.array(rankStart).min(1),
});

/** A rank that has ended. */
const rankExit = z.object({
  rank: count,
  node: count,
  host: z.string(),
  pid: count,
  code: count.nullable(),
  signal: z.string().nullable(),
  /** From its start to its end. */
  seconds: z.number(),
  /** From its end to this message, in milliseconds. */
  ago: z.number(),
  /** The last ones it printed; none where the terminal has shown them. */
  lines: z.array(z.string()),
});

/** What is known of a rank that runs. */
const rankBeat = z.object({
  rank: count,
  node: count,
  pid: count,
  /** Since the last sign of life, in seconds; since its start, where there was none. */
  silence: z.number(),
  hasBeaten: z.boolean(),
  /** A signal (SIGSTOP) has stopped it. */
  isStopped: z.boolean(),
  /** `seconds` ago; undefined: it marks nothing. */
  mark: z.object({ step: z.number(), phase: z.string(), seconds: z.number() }).optional(),
});

const fromNode = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('join'),
    program: z.literal('xinghe launch'),
    version: z.string(),
    node: count,
    nodes: count,
    host: z.string(),
    nproc: z.int().min(1),
    /** Of a rank table: the ranks and devices of the node. */
    table: z.array(z.object({ rank: count, device: count })).optional(),
  }),
  z.object({ kind: z.literal('exit'), exit: rankExit }),
  z.object({ kind: z.literal('beats'), beats: z.array(rankBeat) }),
  z.object({ kind: z.literal('signal'), signal }),
  z.object({ kind: z.literal('stopped') }),
]);

const toNode = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ping') }),
  z.object({ kind: z.literal('refused'), reason: z.string() }),
  z.object({ kind: z.literal('start'), start: nodeStart }),
  z.object({ kind: z.literal('signal'), signal }),
  z.object({ kind: z.literal('stop'), isNow: z.boolean() }),
  z.object({ kind: z.literal('say'), text: z.string() }),
  z.object({ kind: z.literal('end'), code: count, text: z.string() }),
]);

export type HandedSignal = z.infer<typeof signal>;
export type RankStart = z.infer<typeof rankStart>;
export type NodeStart = z.infer<typeof nodeStart>;
export type RankExit = z.infer<typeof rankExit>;
export type RankBeat = z.infer<typeof rankBeat>;
export type FromNode = z.infer<typeof fromNode>;
export type ToNode = z.infer<typeof toNode>;
export type Join = Extract<FromNode, { kind: 'join' }>;

/** undefined for what is none of these. */
export function parseFromNode(value: unknown): FromNode | undefined {
  return fromNode.safeParse(value).data;
}

export function parseToNode(value: unknown): ToNode | undefined {
  return toNode.safeParse(value).data;
}
