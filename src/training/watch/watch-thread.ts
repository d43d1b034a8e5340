/** The thread that serves a watched run: a step that takes a minute must not make the page wait for a minute. */
import { parentPort, workerData } from 'node:worker_threads';
import type { EvaluationRecord, SampleRecord, StepRecord } from './observer.js';
import { WatchService } from './watch-service.js';

export interface WatchSetup {
  readonly host: string;
  readonly port: number;
  readonly label: string;
}

export type WatchMessage =
  | { readonly kind: 'step'; readonly record: StepRecord }
  | { readonly kind: 'evaluation'; readonly record: EvaluationRecord }
  | { readonly kind: 'sample'; readonly record: SampleRecord }
  | { readonly kind: 'close' };

export type WatchReply =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

const port = parentPort;
if (port === null) throw new TypeError('this module is for a worker thread');
const setup = workerData as WatchSetup; // watch-server.ts gives it.
const service = new WatchService(setup.host, setup.label);

port.on('message', async (message: WatchMessage) => {
  switch (message.kind) {
    case 'step':
      service.step(message.record);
      break;
    case 'evaluation':
      service.evaluation(message.record);
      break;
    case 'sample':
      service.sample(message.record);
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
