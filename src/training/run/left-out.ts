/** What a run does not learn of the records in its files, said once. */
import { type SkipReport, type UnreadKeys, unreadKeysText } from '../../data/index.js';
import { log } from '../../log/index.js';

/** @param unread undefined: the form reads every key that it knows of */
export function logLeftOut(skips: SkipReport, unread?: UnreadKeys): void {
  for (const { reason, count, examples } of skips.reasons())
    log(
      `data: ${count} record${count === 1 ? '' : 's'} with nothing to learn left out (${reason}), the first: ${examples[0]?.message ?? ''}`,
    );
  const keys = unread?.list() ?? [];
  if (keys.length > 0) log(`data: keys of the records that are not read: ${unreadKeysText(keys)}`);
}
