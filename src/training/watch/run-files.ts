/** Names of the files in which a run tells of itself. */
export const METRICS_FILE = 'metrics.jsonl';
export const CONFIG_FILE = 'config.yaml';
/** How it was started: commands, versions, times; one entry for each start. */
export const STARTS_FILE = 'starts.jsonl';
export const LOG_FILE = 'run.log';
export const SAMPLES_FILE = 'samples.jsonl';
