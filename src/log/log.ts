/** Messages for people, on stderr; results go to stdout and never through here. */

/** Writes one line to stderr. */
export function log(message: string): void {
  process.stderr.write(`${message}\n`);
}
