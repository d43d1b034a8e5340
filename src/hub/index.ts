/** Models and data of the Hugging Face hub: found in its cache, and on request fetched into it. */
export { cachedPath, findInCache, hubCacheFolder } from './cache-folder.js';
export { type DownloadOptions, downloadRepository } from './download-repository.js';
export { parseRepositoryId, type RepositoryId, type RepositoryKind } from './repository-id.js';
