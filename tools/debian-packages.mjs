// Programs that tests talk to and npm does not have: a browser, a proxy. Installed by apt-get where that is possible (root, and
// XINGHE_REFERENCE=install); tests that miss one are skipped with a reason. Never fails, and ends within some minutes.
//
//   XINGHE_REFERENCE=install node tools/debian-packages.mjs
import { spawnSync } from 'node:child_process';

/** Package and the program that it brings. */
const packages = /** @type {const} */ ([
  ['chromium', 'chromium'],
  ['nginx-light', 'nginx'],
  ['prometheus', 'promtool'],
]);
const MINUTES = 8;
const started = Date.now();

/** @param {string} text */
function say(text) {
  process.stdout.write(`${text}\n`);
}

/** @param {string} program */
function isThere(program) {
  const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
  return (
    spawnSync('sh', ['-c', `command -v ${program}`], { env: { ...process.env, PATH: path } }).status === 0
  );
}

/** @param {string[]} args */
function apt(args) {
  const timeout = Math.max(1000, MINUTES * 60_000 - (Date.now() - started));
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, error, stderr } = spawnSync(
    'apt-get',
    ['-q', '-y', '-o', 'DPkg::Lock::Timeout=60', ...args],
    { env, timeout, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
  );
  if (status === 0) return true;
  const lines = (stderr ?? '').trim().split('\n');
  say(`apt-get ${args.join(' ')}: ${error?.message ?? lines.at(-1) ?? `exit code ${status}`}`);
  return false;
}

const missing = packages.filter(([, program]) => !isThere(program));
if (missing.length === 0) say('Debian packages: all there');
else if (process.env.XINGHE_REFERENCE !== 'install')
  say(
    `Debian packages: ${missing.map(([name]) => name).join(', ')} missing; XINGHE_REFERENCE=install fetches them`,
  );
else if (process.getuid?.() !== 0 || !isThere('apt-get'))
  say(
    `Debian packages: ${missing.map(([name]) => name).join(', ')} missing; installing needs root and apt-get`,
  );
else {
  apt(['update']);
  // Each on its own: one that cannot be had must not keep the other away.
  for (const [name] of missing)
    if (apt(['install', '--no-install-recommends', name])) say(`Debian packages: ${name} installed`);
}
