/** A repository of the hub into the cache, in the layout of Hugging Face's own programs. */
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus, parseJson, withLockedOutput, writeFileAtomic } from '../formats/index.js';
import { formatBytes, log, Progress } from '../log/index.js';
import { hubCacheFolder } from './cache-folder.js';
import { chooseFiles } from './choose-files.js';
import { type BlobSource, blobSource, downloadBlob } from './download-blob.js';
import { HubClient, type HubClientOptions } from './hub-client.js';
import { apiPath, checkSafePath, filePath, folderOf, type RepositoryId } from './repository-id.js';

export interface DownloadOptions extends HubClientOptions {
  /** What it is for. */
  readonly place: 'model' | 'tokenizer' | 'data';
  /** Default: that of `hubCacheFolder`. */
  readonly cache?: string;
}

/** Of what the hub says of a repository, what is needed; it says more. */
const repositorySchema = z.object({
  sha: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected a commit'),
  siblings: z.array(z.object({ rfilename: z.string() })),
});

/** A listing of a hundred thousand files has some 10 MB. */
const LISTING_BYTES = 64 * 2 ** 20;
const AT_A_TIME = 4;

/**
 * Fetches what is missing; what the cache has of this commit stays.
 * @returns the folder of the snapshot, or the path in it that the repository names
 * @throws InputError for whatever the hub refuses or gives otherwise than it says
 */
export async function downloadRepository(
  repository: RepositoryId,
  options: DownloadOptions,
): Promise<string> {
  if (/^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? ''))
    throw new InputError(
      '--hub asks for the network, and HF_HUB_OFFLINE forbids it; take one of the two away.',
    );
  const client = new HubClient(options);
  const folder = join(options.cache ?? hubCacheFolder(), folderOf(repository));
  const { name, revision, path } = repository;
  const listed = apiPath(repository, revision);
  const text = await client.patiently(listed, async () => (await client.request(listed)).text(LISTING_BYTES));
  const source = `${client.endpoint}${listed}`;
  const { sha, siblings } = parseConfig(repositorySchema, parseJson(text, source), { source });
  const files = siblings.map(({ rfilename }) => rfilename);
  for (const file of files) checkSafePath(file, source);
  const { wanted, leftOut } = chooseFiles(files, options.place, path, name);
  if (leftOut.length > 0)
    log(
      `${name}: ${leftOut.length} files are not fetched (${leftOut.slice(0, 4).join(', ')}${leftOut.length > 4 ? ', …' : ''})`,
    );
  for (const part of ['blobs', 'refs', 'snapshots']) mkdirSync(join(folder, part), { recursive: true });
  await withLockedOutput(folder, async () => {
    await fetchFiles(client, repository, { folder, sha, files: wanted });
    // Last of all: whoever goes by it finds everything.
    if (revision !== sha) writeFileAtomic(join(folder, 'refs', revision), sha);
  });
  return join(folder, 'snapshots', sha, path);
}

interface Wanted {
  readonly folder: string;
  readonly sha: string;
  readonly files: readonly string[];
}

async function fetchFiles(
  client: HubClient,
  repository: RepositoryId,
  { folder, sha, files }: Wanted,
): Promise<void> {
  const snapshot = join(folder, 'snapshots', sha);
  const missing = files.filter((file) => fileStatus(join(snapshot, file))?.isFile() !== true);
  if (missing.length === 0) {
    log(`${repository.name}: the cache has all of ${sha.slice(0, 12)}`);
    return;
  }
  const sources = await inTurns(missing, async (file) => ({
    file,
    source: await blobSource(client, filePath(repository, sha, file)),
  }));
  const total = sources.reduce((sum, { source }) => sum + source.bytes, 0);
  log(`${repository.name}: ${missing.length} files, ${formatBytes(total)}, into ${folder}`);
  const progress = new Progress({ label: 'fetch', unit: 'byte', total });
  let done = 0;
  for (const { file, source } of sources) {
    await fetchBlob(client, source, join(folder, 'blobs', source.etag), (bytes) => {
      done += bytes;
      progress.update(done);
    });
    link(join(folder, 'blobs', source.etag), join(snapshot, file));
  }
  progress.finish();
}

async function fetchBlob(
  client: HubClient,
  source: BlobSource,
  blob: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  if (fileStatus(blob)?.size === source.bytes) onBytes(source.bytes);
  else await downloadBlob(client, source, blob, onBytes);
}

/** A link, as Hugging Face's programs make it; a copy where the disk knows no links. */
function link(blob: string, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  try {
    symlinkSync(relative(dirname(file), blob), file);
  } catch {
    if (fileStatus(file)?.isFile() !== true) copyFileSync(blob, file);
  }
}

/** A few at a time, the results in order. */
async function inTurns<Item, Result>(
  items: readonly Item[],
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += AT_A_TIME)
    results.push(...(await Promise.all(items.slice(start, start + AT_A_TIME).map(run))));
  return results;
}
