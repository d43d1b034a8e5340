/** The text of a rank table, byte for byte as the published tools write it: indented by four, no newline at the end. */

export interface RankTableFile {
  readonly name: string;
  readonly text: string;
}

export function rankTableText(servers: readonly object[]): string {
  const table = {
    version: '1.0',
    server_count: String(servers.length),
    server_list: servers,
    status: 'completed',
  };
  // Python's json.dump writes ASCII alone.
  return JSON.stringify(table, null, 4).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
