/** What the codes of Spark's API mean, and what helps. */

export type SparkRemedy =
  /** Ask again after a while. */
  | 'wait'
  /** This question will never be answered. */
  | 'skip'
  /** No question will be: keys, rights, a ban. */
  | 'stop';

export interface SparkError {
  readonly reason: string;
  readonly remedy: SparkRemedy;
}

const WAIT = (reason: string): SparkError => ({ reason, remedy: 'wait' });
const SKIP = (reason: string): SparkError => ({ reason, remedy: 'skip' });
const STOP = (reason: string): SparkError => ({ reason, remedy: 'stop' });

const CODES: ReadonlyMap<number, SparkError> = new Map([
  [10000, WAIT('connection failed')],
  [10001, WAIT('connection failed')],
  [10002, WAIT('connection failed')],
  [10003, SKIP('request refused')],
  [10004, SKIP('request refused')],
  [10005, SKIP('request refused')],
  [10006, WAIT('rate limit')],
  [10007, WAIT('rate limit')],
  [10008, WAIT('service busy')],
  [10009, WAIT('service failed')],
  [10010, WAIT('service failed')],
  [10011, WAIT('service failed')],
  [10012, WAIT('service failed')],
  [10013, SKIP('refused by moderation')],
  [10014, SKIP('refused by moderation')],
  [10015, STOP('banned')],
  [10016, STOP('no right to the service')],
  [10017, WAIT('service failed')],
  [10019, SKIP('refused by moderation')],
  [10021, SKIP('refused by moderation')],
  [10110, WAIT('service busy')],
  [10163, SKIP('request refused')],
  [10222, WAIT('service failed')],
  [10223, WAIT('service failed')],
  [10313, STOP('keys do not belong together')],
  [10907, SKIP('too long for the model')],
  [11200, STOP('no right to the service, or it has expired')],
  [11201, STOP('daily limit used up')],
  [11202, WAIT('rate limit')],
  [11203, WAIT('rate limit')],
]);

/** Codes that are not known end their question alone. */
export function sparkError(code: number): SparkError {
  return CODES.get(code) ?? SKIP(`code ${code}`);
}
