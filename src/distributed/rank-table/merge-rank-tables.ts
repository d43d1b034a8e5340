/** Rank tables of several servers as one, as the published tool (merge_hccl) makes it. */
import { InputError } from '../../errors/index.js';
import { readTableFile } from './rank-table.js';
import { type RankTableFile, rankTableText } from './rank-table-file.js';

/**
 * Ranks are numbered anew in the order in which the devices stand. The name is hccl_{servers}s_{ranks}p.json.
 * @throws InputError for a damaged table, and for a server that stands in two of them
 */
export function mergeRankTables(paths: readonly string[]): RankTableFile {
  if (paths.length === 0) throw new InputError('there are no rank tables to merge; name their files.');
  const sources = new Map<string, string>();
  let rank = 0;
  const servers = paths.flatMap((path) =>
    readTableFile(path).server_list.map((server) => {
      const other = sources.get(server.server_id);
      if (other !== undefined)
        throw new InputError(
          `${path}: the server ${server.server_id} stands in ${other}, too; each server has one table (a range of all its devices).`,
        );
      sources.set(server.server_id, path);
      return { ...server, device: server.device.map((device) => ({ ...device, rank_id: String(rank++) })) };
    }),
  );
  return { name: `hccl_${servers.length}s_${rank}p.json`, text: rankTableText(servers) };
}
