/**
 * The first module of the engine's process of a rank behind the first: it has its part of the model, and does what the first rank's
 * engine tells.
 */

import { loadShared } from './load-shared.js';
import { type FromFollower, serializeError } from './messages.js';
import { watchParent } from './parent-watch.js';
import type { TextEngineSetup } from './text-engine-module.js';

async function follow(setup: TextEngineSetup): Promise<void> {
  const loaded = await loadShared(setup);
  const { ranks, adapters } = loaded;
  if (ranks === undefined) throw new TypeError('a process on its own follows nobody');
  send({ kind: 'ready' });
  await ranks.follow(loaded, adapters);
  adapters.dispose();
  ranks.end();
}

function send(message: FromFollower, onSent: () => void = () => undefined): void {
  process.send?.(message, undefined, undefined, onSent);
}

process.once('message', (setup: TextEngineSetup) => {
  follow(setup).then(
    () => process.exit(0),
    (error: unknown) => send({ kind: 'fault', error: serializeError(error) }, () => process.exit(1)),
  );
});
process.on('disconnect', () => process.exit(1));
// The first rank ends when its requests are done, and us with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
watchParent(Number(process.argv[2]));
