export { log } from './log.js';
export { listenToLog } from './log-listeners.js';
export { formatBytes, formatCount, formatDuration, Progress, type ProgressOptions } from './progress.js';
export { lostLogLines, redirectStderr, stderrStream, watchStderr, writeStderr } from './stderr.js';
