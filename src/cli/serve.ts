/** `xinghe serve`: a model behind an OpenAI-compatible API, with a chat page. */
import { productVersion } from '../config/index.js';
import { rankEnvironment } from '../distributed/index.js';
import { log } from '../log/index.js';
import { followServer, ModelServer, type ServeOptions } from '../serving/index.js';
import { placed } from './hub-options.js';
import { checkRanks } from './on-ranks.js';
import { parseOptions } from './options.js';
import { DEFAULT_DRAIN_SECONDS, readServeOptions, serveSpecs } from './serve-options.js';

const EXIT_INTERRUPTED = 130;

export async function serve(args: readonly string[]): Promise<number> {
  const options = await placed(
    serveSpecs,
    parseOptions(
      {
        command: 'xinghe serve',
        summary: 'a model behind an OpenAI-compatible API, with a chat page',
        notes:
          'Ready when GET /health answers 200. Keys may also stand in XINGHE_API_KEY and XINGHE_ADMIN_KEY.\n' +
          'SIGTERM, SIGHUP or Ctrl-C waits for the requests under way and ends; a second Ctrl-C ends at once.',
      },
      serveSpecs,
      args,
    ),
  );
  const serveOptions = readServeOptions(options, productVersion());
  const environment = rankEnvironment();
  if (environment !== undefined && environment.size > 1) {
    checkRanks(options, environment);
    if (environment.rank > 0) return follow(serveOptions);
  }
  const signals = new EndSignals();
  const started = performance.now();
  const server = await ModelServer.start(serveOptions);
  announce(server, serveOptions.http?.keys?.isRequired === true);
  if (options['admin-key-file'] !== undefined && options['api-key-file'] === undefined)
    log('note: --admin-key-file guards the admin routes alone; --api-key-file guards all others');
  server.engine.ready.then(
    () => log(`ready after ${((performance.now() - started) / 1000).toFixed(1)} s`),
    () => undefined,
  );
  try {
    // A model that cannot be loaded ends the command with its error; later failures are answered with 503.
    await Promise.race([server.engine.ready, signals.asked]);
    await signals.asked;
  } catch (error) {
    await server.close(0);
    throw error;
  }
  const seconds = options['drain-timeout'] ?? DEFAULT_DRAIN_SECONDS;
  if (server.http.running > 0)
    log(`ending: ${server.http.running} requests under way, waiting up to ${seconds} s (Ctrl-C: not)`);
  const isDone = await Promise.race([
    server.close(seconds * 1000).then(() => true),
    signals.askedAgain.then(() => false),
  ]);
  if (isDone) return 0;
  server.engine.kill();
  process.exit(EXIT_INTERRUPTED);
}

/** A rank behind the first: it ends with it. */
async function follow(options: ServeOptions): Promise<number> {
  const follower = followServer(options);
  const signals = new EndSignals();
  void signals.asked.then(() => follower.end());
  const isDone = await Promise.race([follower.run().then(() => true), signals.askedAgain.then(() => false)]);
  if (isDone) return 0;
  follower.kill();
  process.exit(EXIT_INTERRUPTED);
}

/** SIGTERM, SIGHUP and SIGINT ask for the end; SIGINT after that, for the end at once. */
class EndSignals {
  readonly asked: Promise<void>;
  readonly askedAgain: Promise<void>;

  constructor() {
    let count = 0;
    let ask: () => void = () => undefined;
    let insist: () => void = () => undefined;
    this.asked = new Promise((resolve) => {
      ask = resolve;
    });
    this.askedAgain = new Promise((resolve) => {
      insist = resolve;
    });
    // SIGHUP: the terminal is gone. Node ends at it unless it is heard, even where nohup had it ignored.
    for (const signal of ['SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        count += 1;
        ask();
      });
    process.on('SIGINT', () => {
      count += 1;
      ask();
      if (count > 1) insist();
    });
  }
}

function announce({ http, model }: ModelServer, needsKey: boolean): void {
  log(`Xinghe 星河 serves "${model.id}" at ${http.url}/v1 (OpenAI's API)`);
  log(`chat page: ${http.url}/`);
  log(needsKey ? 'callers need an API key' : 'no API key is needed');
  log('loading the model …');
}
