export { describeIgnored, type IgnoredKey } from './key-tree.js';
export { isPublishedRun, loadPublishedRun, type PublishedRun } from './mindformers/load-published-run.js';
