/** The thread that serves a watched run: a step that takes a minute must not make the page wait for a minute. */
import { parentPort, workerData } from 'node:worker_threads';
import {
  type EvaluationRecord,
  joinObservers,
  type SampleRecord,
  type StepRecord,
  type TaskScoresRecord,
} from './observer.js';
import { prometheus } from './prometheus.js';
import { WatchService } from './watch-service.js';
import { WatchedRun } from './watched-run.js';

export interface WatchSetup {
  readonly host: string;
  readonly port: number;
  readonly label: string;
  readonly config: unknown;
  readonly command: string | undefined;
}

export type WatchMessage =
  | { readonly kind: 'step'; readonly record: StepRecord }
  | { readonly kind: 'evaluation'; readonly record: EvaluationRecord }
  | { readonly kind: 'taskScores'; readonly record: TaskScoresRecord }
  | { readonly kind: 'sample'; readonly record: SampleRecord }
  | { readonly kind: 'close' };

export type WatchReply =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

const port = parentPort;
if (port === null) throw new TypeError('this module is for a worker thread');
const setup = workerData as WatchSetup; // watch-server.ts gives it.
const metrics = prometheus();
const run = new WatchedRun({
  id: '0',
  label: setup.label,
  followed: false,
  setup: { config: setup.config, command: setup.command },
});
const service = new WatchService({ host: setup.host, runs: [run], metrics });
const observer = joinObservers([metrics, run]);

port.on('message', async (message: WatchMessage) => {
  switch (message.kind) {
    case 'step':
      observer.step(message.record);
      break;
    case 'evaluation':
      observer.evaluation?.(message.record);
      break;
    case 'taskScores':
      observer.taskScores?.(message.record);
      break;
    case 'sample':
      observer.sample?.(message.record);
      break;
    case 'close':
      await service.close();
      port.close();
      break;
    default:
      message satisfies never;
  }
});

try {
  const chosen = await service.listen(setup.port);
  port.postMessage({ kind: 'listening', port: chosen } satisfies WatchReply);
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  port.postMessage({ kind: 'failed', code, message } satisfies WatchReply);
  port.close();
}
