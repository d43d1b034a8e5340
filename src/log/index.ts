export { log } from './log.js';
export { formatCount, formatDuration, Progress, type ProgressOptions } from './progress.js';
