/** deploy/ read by those who will read it: the linters of its formats, where they are installed. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { deployFolder, deployText } from './support/deploy-files.js';
import { referencePython } from './support/reference.js';
import { requires, requiresPython } from './support/requires.js';

const scratch = mkdtempSync(join(tmpdir(), 'xinghe-deploy-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function found(program: string, ...args: readonly string[]): string | undefined {
  return spawnSync(program, args).status === 0 ? program : undefined;
}

function check(program: string, args: readonly string[], cwd = deployFolder): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  expect(`${stdout}${stderr}`, `${program} ${args.join(' ')}`).toBeDefined();
  expect({ status, said: status === 0 ? '' : `${stdout}${stderr}` }).toEqual({ status: 0, said: '' });
  return stdout;
}

const python = referencePython('hadolint');
test('hadolint has nothing against the Dockerfile', requiresPython(python, 'hadolint'), () => {
  check(join(dirname(python ?? ''), 'hadolint'), ['Dockerfile']);
});

const promtool = found('promtool', '--version');
test(
  'promtool takes configuration and alerts, and their tests pass',
  requires(promtool !== undefined, 'promtool is not installed (apt-get install prometheus)'),
  () => {
    for (const name of ['alerts.yaml', 'alerts.test.yaml'])
      copyFileSync(join(deployFolder, 'monitoring', name), join(scratch, name));
    const config = deployText('monitoring/prometheus.yaml').replace(
      '/etc/prometheus/alerts.yaml',
      'alerts.yaml',
    );
    writeFileSync(join(scratch, 'prometheus.yaml'), config);
    check('promtool', ['check', 'config', 'prometheus.yaml'], scratch);
    check('promtool', ['test', 'rules', 'alerts.test.yaml'], scratch);
  },
);

const kubectl = found('kubectl', 'version', '--client');
test.each([
  'kubernetes/server',
  'kubernetes/overlays/cpu',
  'kubernetes/overlays/cuda',
  'kubernetes/training',
])('kubectl builds %s', requires(kubectl !== undefined, 'kubectl is not installed'), (folder) => {
  const built = check('kubectl', ['kustomize', folder]);
  if (folder.endsWith('overlays/cuda')) {
    expect(built).toContain('nvidia.com/gpu: 1');
    expect(built).toContain('image: registry.example.org/xinghe:cuda');
    expect(built).toMatch(/selector:\n {4}matchLabels:\n {6}app\.kubernetes\.io\/component: server/);
  }
});

const systemd = found('systemd-analyze', '--version');
test.each(['xinghe.service', 'xinghe-train@.service'])(
  'systemd takes %s',
  requires(systemd !== undefined, 'systemd-analyze is not installed'),
  (name) => {
    // The command itself is not installed here.
    const path = join(scratch, name);
    writeFileSync(path, deployText(`systemd/${name}`).replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'));
    check('systemd-analyze', ['verify', path], scratch);
  },
);

const nginx = ['nginx', '/usr/sbin/nginx'].find((name) => found(name, '-v') !== undefined);
test(
  'nginx takes its file',
  requires(nginx !== undefined, 'nginx is not installed (apt-get install nginx-light)'),
  () => {
    // Names, certificate and HTTP/2 (nginx 1.25.1) are those of where it will run.
    const site = deployText('nginx/xinghe.conf')
      .replace('server server:8000', 'server 127.0.0.1:8000')
      .replace(/^ +(?:http2|ssl_certificate).*$/gm, '')
      .replace('listen 443 ssl', 'listen 443');
    writeFileSync(join(scratch, 'site.conf'), site);
    writeFileSync(
      join(scratch, 'nginx.conf'),
      `pid ${scratch}/pid; error_log stderr;\nevents {}\nhttp { access_log off; include ${scratch}/site.conf; }\n`,
    );
    check(nginx ?? '', ['-t', '-q', '-p', scratch, '-c', join(scratch, 'nginx.conf')]);
  },
);
