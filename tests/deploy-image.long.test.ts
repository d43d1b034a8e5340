/**
 * The steps of deploy/Dockerfile in clean folders, one for each stage, as far as a machine without a container engine can: RUN and
 * COPY are done with the paths of the image moved there. Not done: apt-get (checked by a dry run, where there is apt) and the
 * download of libtorch (that of this machine is lent, so that nothing is compiled anew). Then the server of the last stage runs
 * with the image's own environment and command, and its health check asks it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { deployText, dockerSteps } from './support/deploy-files.js';
import { repository, runtimePackages } from './support/packed-package.js';
import { until } from './support/served-process.js';
import { writeTinyModel } from './support/tiny-model.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-image-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const libtorch: string | undefined = (() => {
  try {
    return JSON.parse(readFileSync(join(repository, 'build', 'build.json'), 'utf8')).libtorch.path;
  } catch {
    return undefined;
  }
})();

/** Of the image; each stage has its own. */
const PLACES = ['/opt/xinghe', '/opt/libtorch', '/models', '/cache', '/data', '/src'];
const stageFolder = (stage: string): string => join(root, stage);
const moved = (stage: string, text: string): string =>
  text.replaceAll(new RegExp(`(?<![\\w.-])(${PLACES.join('|')})(?![\\w-])`, 'g'), (place) =>
    join(stageFolder(stage), place.slice(1)),
  );

const ignored = deployText('Dockerfile.dockerignore')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));
const isIgnored = (path: string): boolean =>
  ignored.some((pattern) =>
    pattern.startsWith('**/*')
      ? path.endsWith(pattern.slice(4))
      : path === pattern || path.startsWith(`${pattern}/`),
  );

interface Stage {
  readonly name: string;
  workdir: string;
  readonly env: Record<string, string>;
}

function run(stage: Stage, command: string): void {
  const { status, stdout, stderr } = spawnSync('sh', ['-ec', moved(stage.name, command)], {
    cwd: stage.workdir,
    encoding: 'utf8',
    env: { ...process.env, ...stage.env },
  });
  if (status !== 0) throw new Error(`${command}\n${stdout}${stderr}`);
}

function copy(stage: Stage, rest: string): void {
  const [, from, paths = ''] = /^(?:--from=(\w+) )?(.*)$/s.exec(rest) ?? [];
  const [source = '', target = ''] = paths.trim().split(/\s+/);
  if (from !== undefined) {
    const place = moved(from, source);
    expect(existsSync(place), `${source} of the stage ${from}`).toBe(true);
    mkdirSync(dirname(moved(stage.name, target)), { recursive: true });
    cpSync(place, moved(stage.name, target), { recursive: true, verbatimSymlinks: true });
    return;
  }
  expect([source, target]).toEqual(['.', '.']);
  cpSync(repository, stage.workdir, {
    recursive: true,
    filter: (path) => !isIgnored(path.slice(repository.length)),
  });
}

/** What is not done as it stands, and what is done in its place. */
function substitute(stage: Stage, command: string): string | undefined {
  if (command.startsWith('apt-get update')) {
    const names = [...command.matchAll(/(?<=recommends )([^&]+)/g)].map(([list]) => list.trim()).join(' ');
    return spawnSync('apt-get', ['--version']).status === 0
      ? `apt-get install -s -q ${names} > /dev/null`
      : ':';
  }
  if (command.includes('pip install')) {
    const lent = join(stageFolder(stage.name), 'opt', 'libtorch');
    mkdirSync(lent, { recursive: true });
    symlinkSync(libtorch ?? '', join(lent, 'torch'));
    return ':';
  }
  // The packages of this machine's lock file are there.
  if (command.startsWith('npm ci')) {
    cpSync(join(repository, 'node_modules'), join(stage.workdir, 'node_modules'), { recursive: true });
    return `mkdir -p packed && ${command.replace(/^npm ci [^&]*&& /, '')}`;
  }
  // The registry is not asked: what npm has seen before is in its cache, or the dependencies are lent.
  if (command.startsWith('npm install')) return installLent(command);
  // What was lent must not be pruned.
  if (command.startsWith('find /opt/libtorch')) return command.replace(/&&[\s\S]*$/, '');
  return undefined;
}

/** The tarball unpacked where npm would install it, the packages of this machine beside it. */
function installLent(command: string): string {
  const [, folder = '', tarball = ''] = /--prefix (\S+) (\S+)/.exec(command) ?? [];
  const lent = join(repository, 'node_modules');
  return [
    `mkdir -p ${folder}/node_modules/xinghe`,
    `tar -xzf ${tarball} -C ${folder}/node_modules/xinghe --strip-components=1`,
    `for package in ${runtimePackages().join(' ')}; do mkdir -p ${folder}/$(dirname $package); cp -r ${dirname(lent)}/$package ${folder}/$package; done`,
    command.slice(command.indexOf('&& ') + 3),
  ].join(' && ');
}

describe('the steps of the image', () => {
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  const defaults: Record<string, string> = {};
  const exec: Record<string, string[]> = {};

  for (const { line, instruction, rest } of dockerSteps())
    test(`line ${line}: ${instruction} ${rest.split('\n')[0]?.slice(0, 60)}`, () => {
      if (instruction === 'FROM') {
        const name = rest.split(' AS ')[1] ?? '';
        mkdirSync(stageFolder(name));
        stage = { name, workdir: stageFolder(name), env: { ...defaults } };
        stages.set(name, stage);
        return;
      }
      if (instruction === 'ARG') {
        const [name = '', value = ''] = rest.split('=');
        (stage?.env ?? defaults)[name] = value;
        return;
      }
      if (stage === undefined) throw new Error(`${instruction} before FROM`);
      switch (instruction) {
        case 'WORKDIR':
          stage.workdir = moved(stage.name, rest.trim());
          mkdirSync(stage.workdir, { recursive: true });
          return;
        case 'ENV':
          for (const [, name = '', value = ''] of rest.matchAll(/(\w+)=(\S+)/g))
            stage.env[name] = moved(stage.name, value);
          return;
        case 'COPY':
          copy(stage, rest);
          return;
        case 'RUN':
          if (rest.includes('xinghe setup')) lend(stage);
          run(stage, substitute(stage, rest) ?? rest);
          if (rest.includes('mkdir -p /models'))
            for (const place of ['/models', '/data', '/cache'])
              mkdirSync(moved(stage.name, place), { recursive: true });
          return;
        case 'ENTRYPOINT':
        case 'CMD':
          exec[instruction] = JSON.parse(rest);
          return;
        case 'HEALTHCHECK':
          exec[instruction] = JSON.parse(rest.slice(rest.indexOf('[')));
          return;
        default:
          expect(['USER', 'EXPOSE', 'STOPSIGNAL']).toContain(instruction);
      }
    });

  test('the server of the image starts with its own environment and command, and is healthy', async () => {
    const runtime = stages.get('runtime');
    if (runtime === undefined) throw new Error('there is no stage runtime');
    const model = join(stageFolder('runtime'), 'models', 'model');
    cpSync(await writeTinyModel(), model, { recursive: true });
    const [program = '', ...words] = [...(exec.ENTRYPOINT ?? []), ...(exec.CMD ?? [])].map((word) =>
      moved('runtime', word),
    );
    const port = '18321';
    const args = words.map((word) => (word === '8000' ? port : word));
    const start = (env: Record<string, string>) =>
      spawn(program, args, {
        cwd: runtime.workdir,
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { PATH: process.env.PATH, HOME: root, OMP_NUM_THREADS: '1', ...runtime.env, ...env },
      });
    const refused = start({});
    let said = '';
    refused.stderr.on('data', (text) => {
      said += String(text);
    });
    expect(await new Promise((resolve) => refused.once('close', resolve))).toBe(2);
    expect(said).toContain('without API keys');
    const server = start({ XINGHE_API_KEY: 'key-of-the-image-test' });
    const ended = new Promise((resolve) => server.once('close', resolve));
    const [, ...health] = exec.HEALTHCHECK ?? [];
    const isHealthy = (): boolean =>
      spawnSync(
        process.execPath,
        health.map((word) => word.replace('8000', port)),
      ).status === 0;
    await until(isHealthy, 'a healthy server');
    server.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(isHealthy()).toBe(false);
  });
});

/** The objects of this machine's build: their names say that they are what would be compiled. */
function lend(stage: Stage): void {
  const target = join(stage.workdir, 'node_modules', 'xinghe', 'build');
  mkdirSync(target);
  cpSync(join(repository, 'build', 'obj'), join(target, 'obj'), { recursive: true });
  if (libtorch !== undefined) stage.env.LIBTORCH = libtorch;
}
