/** What deploy/ says against what the program has: options, routes, metrics, variables, times, names. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { parseTrainingConfig } from '../src/compat/index.js';
import { rankEnvironment } from '../src/distributed/index.js';
import { healthRoutes } from '../src/serving/http/index.js';
import { metricsRoute, ServingMetrics } from '../src/serving/metrics/index.js';
import { prometheus } from '../src/training/watch/prometheus.js';
import {
  at,
  deployFolder,
  deployObject,
  deployPaths,
  deployText,
  deployYaml,
  dockerSteps,
  kustomized,
  listAt,
  textsAt,
} from './support/deploy-files.js';
import { FakeEngine } from './support/fake-engine.js';

const deployment = deployObject('kubernetes/server/deployment.yaml');
const server = at(deployment, 'spec', 'template', 'spec', 'containers', 0);
const job = deployObject('kubernetes/training/job.yaml');
const rank = at(job, 'spec', 'template', 'spec', 'containers', 0);
const compose = deployObject('compose.yaml');
const imageCommand = textsOf(/^CMD \[/m);
const unit = deployText('systemd/xinghe.service');
const trainingUnit = deployText('systemd/xinghe-train@.service');

function textsOf(start: RegExp): string[] {
  const line = deployText('Dockerfile')
    .split('\n')
    .find((text) => start.test(text));
  return JSON.parse(line?.slice(line.indexOf('[')) ?? '[]');
}

function execOf(text: string): string[] {
  return (/^ExecStart=\S+xinghe (.*)$/m.exec(text)?.[1] ?? '').split(' ');
}

/** Every command line under deploy/, and the overlays' additions. */
const commandLines: Readonly<Record<string, readonly string[]>> = {
  'Dockerfile CMD': imageCommand,
  'compose.yaml': textsAt(compose, 'services', 'server', 'command'),
  'server/deployment.yaml': textsAt(server, 'args'),
  'overlays/cuda': [
    'serve',
    /value: (--\S+)/.exec(deployText('kubernetes/overlays/cuda/kustomization.yaml'))?.[1] ?? '',
  ],
  'training/job.yaml': textsAt(rank, 'args'),
  'xinghe.service': execOf(unit),
  'xinghe-train@.service': execOf(trainingUnit),
};

describe('command lines', () => {
  test.each(Object.entries(commandLines))('%s', async (_, words) => {
    const behind = words.indexOf('--');
    const lines = behind < 0 ? [words] : [words.slice(0, behind), words.slice(behind + 1)];
    for (const [command = '', ...args] of lines) {
      let help = '';
      const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
        help += String(text);
        return true;
      });
      expect(await main([command, '--help'])).toBe(0);
      spy.mockRestore();
      const options = args.filter((word) => word.startsWith('--')).map((word) => word.replace(/=.*/, ''));
      expect(options.length).toBeGreaterThan(0);
      for (const option of options) expect(help).toMatch(new RegExp(`^ +${option}\\b`, 'm'));
    }
  });

  test('everywhere the server listens on all addresses it has a key', () => {
    for (const [name, words] of Object.entries(commandLines)) {
      if (!words.join(' ').match(/--host[= ]0\.0\.0\.0/) || name === 'Dockerfile CMD') continue;
      const env =
        name === 'compose.yaml' ? at(compose, 'services', 'server', 'environment') : at(server, 'env');
      expect(JSON.stringify(env), name).toContain('XINGHE_API_KEY');
    }
  });
});

test('probes, health checks and scrapes ask for routes that there are', () => {
  const engine = new FakeEngine();
  const routes = [
    ...healthRoutes({ engine, version: '' }),
    metricsRoute(new ServingMetrics({ modelName: '', maxModelLength: 16, engine }), 'open'),
  ].map(({ path }) => path);
  const probes = ['startupProbe', 'readinessProbe', 'livenessProbe'].map((name) =>
    at(server, name, 'httpGet', 'path'),
  );
  const health = /127\.0\.0\.1:8000(\/\w+)/.exec(deployText('Dockerfile'))?.[1];
  const scrapes = listAt(deployObject('monitoring/prometheus.yaml'), 'scrape_configs').map((one) =>
    at(one, 'metrics_path'),
  );
  const annotation = at(deployment, 'spec', 'template', 'metadata', 'annotations', 'prometheus.io/path');
  const hidden = /location = (\/\w+)/.exec(deployText('nginx/xinghe.conf'))?.[1];
  expect([...probes, health, ...scrapes, annotation, hidden].length).toBe(8);
  for (const path of [...probes, health, ...scrapes, annotation, hidden]) expect(routes).toContain(path);
});

describe('metrics', async () => {
  const serving = new ServingMetrics({ modelName: 'm', maxModelLength: 4096, engine: new FakeEngine() });
  const training = prometheus();
  const step = (number: number, totalSteps: number, elapsedSeconds: number): void =>
    training.step({
      ...{
        step: number,
        totalSteps,
        loss: 1,
        gradNorm: 1,
        learningRate: 1,
        tokens: 1,
        learnedTokens: 1,
        rows: 1,
      },
      ...{
        tokensPerSecond: 1,
        modelFlopsUtilisation: 0.5,
        memoryBytes: 1,
        peakMemoryBytes: 1,
        elapsedSeconds,
      },
      phaseSeconds: { data: 1 },
    });
  step(1, 2, 1);
  step(2, 4, 9);
  training.evaluation?.({ step: 1, loss: 1, perplexity: 1, tokens: 1, seconds: 1, isBest: true });
  training.taskScores?.({
    step: 1,
    seconds: 1,
    scores: [{ task: 't', metric: 'acc', score: 1, stderr: null, n: 1, chance: null }],
  });
  const text = `${await serving.text()}${training.text()}`;
  const types = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  );

  /** What Prometheus makes of them, and of a scrape itself. */
  const known = new Set(['up']);
  for (const [name, type] of types)
    for (const suffix of type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''])
      known.add(name + suffix);

  const boards = deployPaths('.json').map((path) => [path, JSON.parse(deployText(path))] as const);
  const rules = listAt(deployObject('monitoring/alerts.yaml'), 'groups').flatMap((group) =>
    listAt(group, 'rules'),
  );
  const expressions = [
    ...boards.flatMap(([, board]) => listAt(board, 'panels').flatMap((panel) => listAt(panel, 'targets'))),
    ...rules,
  ].map((one) => String(at(one, 'expr')));

  /** Names with an underscore or a colon, and `up`: functions and labels in use have others or stand in brackets. */
  function metricsIn(expression: string): string[] {
    const bare = expression
      .replace(/\{[^}]*\}/g, '')
      .replace(/\[[^\]]*\]/g, '')
      .replace(/\b(?:by|on|without)\s*\([^)]*\)/g, '')
      .replace(/\b(?:histogram_quantile|\w+_over_time)\b/g, '');
    return [...bare.matchAll(/\b[a-z]\w*(?::\w+)?\b/g)]
      .map(([name]) => name)
      .filter((name) => /[_:]|^up$/.test(name));
  }

  test('boards and alerts use what is exported, by its type', () => {
    expect(expressions.length).toBeGreaterThan(40);
    for (const expression of expressions) {
      const names = metricsIn(expression);
      expect(names.length, expression).toBeGreaterThan(0);
      for (const name of names) expect(known, `${name} in ${expression}`).toContain(name);
      // A rate of what goes up and down, or a counter as it stands, says nothing.
      for (const [, name = ''] of expression.matchAll(/\b(?:rate|increase)\(([\w:]+)/g))
        expect(types.get(name) ?? 'of a histogram', expression).toMatch(/counter|of a histogram/);
    }
  });

  test('the metric that scales is that of the alert, and the adapter gives it the name that the autoscaler asks for', () => {
    const rule = at(deployObject('kubernetes/prometheus-adapter.yaml'), 'rules', 'custom', 0);
    const asked = at(
      deployObject('kubernetes/server/autoscaler.yaml'),
      'spec',
      'metrics',
      0,
      'pods',
      'metric',
      'name',
    );
    expect(at(rule, 'name', 'as')).toBe(asked);
    for (const key of ['seriesQuery', 'metricsQuery'])
      expect(String(at(rule, key))).toContain('vllm:num_requests_waiting');
    expect(known).toContain('vllm:num_requests_waiting');
  });

  test.each(boards)(
    '%s: panels have numbers and places of their own, and a known data source',
    (_, board) => {
      const panels = listAt(board, 'panels');
      expect(new Set(panels.map((panel) => at(panel, 'id'))).size).toBe(panels.length);
      expect(new Set(panels.map((panel) => JSON.stringify(at(panel, 'gridPos')))).size).toBe(panels.length);
      const variables = listAt(board, 'templating', 'list').map((one) => String(at(one, 'name')));
      const used = [...JSON.stringify(board).matchAll(/\$\{?([a-z_]+)\}?/g)].map(([, name = '']) => name);
      for (const name of used) expect([...variables, '__all', '__rate_interval']).toContain(name);
    },
  );
});

describe('ends', () => {
  const drainOf = (words: readonly string[]): number =>
    Number(/--drain-timeout[= ](\d+)/.exec(words.join(' '))?.[1]);

  test('whoever stops a server gives it the time that it drains', () => {
    const grace = Number(at(deployment, 'spec', 'template', 'spec', 'terminationGracePeriodSeconds'));
    const pause = Number(textsAt(server, 'lifecycle', 'preStop', 'exec', 'command')[1]);
    expect(pause).toBeGreaterThanOrEqual(5);
    expect(grace).toBeGreaterThanOrEqual(pause + drainOf(textsAt(server, 'args')) + 10);
    expect(
      Number.parseInt(String(at(compose, 'services', 'server', 'stop_grace_period')), 10),
    ).toBeGreaterThanOrEqual(drainOf(textsAt(compose, 'services', 'server', 'command')) + 10);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThanOrEqual(
      drainOf(execOf(unit)) + 10,
    );
  });

  test('a run is asked to end before it is killed, and has minutes to save', () => {
    expect(
      Number(at(job, 'spec', 'template', 'spec', 'terminationGracePeriodSeconds')),
    ).toBeGreaterThanOrEqual(120);
    expect(trainingUnit).toMatch(/^KillMode=mixed$/m);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(trainingUnit)?.[1])).toBeGreaterThanOrEqual(120);
  });
});

describe('Kubernetes', () => {
  const manifests = ['kubernetes/overlays/cpu', 'kubernetes/overlays/cuda', 'kubernetes/training'].flatMap(
    kustomized,
  );

  test('every file is taken in by a kustomization, and says what it is', () => {
    const taken = new Set(manifests);
    for (const path of deployPaths('.yaml').filter((name) => name.startsWith('kubernetes/'))) {
      for (const document of deployYaml(path)) expect(document, path).toBeTypeOf('object');
      if (/kustomization\.yaml$|prometheus-adapter\.yaml$|run\.yaml$/.test(path)) continue;
      expect(taken, path).toContain(path);
      for (const document of deployYaml(path))
        for (const keys of [['apiVersion'], ['kind'], ['metadata', 'name'], ['spec']])
          expect(at(document, ...keys), `${path}: ${keys.join('.')}`).toBeDefined();
    }
  });

  test('what is mounted is there, and nobody is root', () => {
    for (const workload of [deployment, job]) {
      const pod = at(workload, 'spec', 'template', 'spec');
      const volumes = listAt(pod, 'volumes').map((one) => at(one, 'name'));
      const mounts = listAt(pod, 'containers', 0, 'volumeMounts').map((one) => at(one, 'name'));
      expect(mounts.sort()).toEqual(volumes.sort());
      expect(at(pod, 'securityContext', 'runAsNonRoot')).toBe(true);
      expect(at(pod, 'containers', 0, 'securityContext', 'allowPrivilegeEscalation')).toBe(false);
    }
    const claims = kustomized('kubernetes/overlays/cpu').flatMap(deployYaml);
    const wanted = listAt(deployment, 'spec', 'template', 'spec', 'volumes')
      .map((one) => at(one, 'persistentVolumeClaim', 'claimName'))
      .filter((name) => name !== undefined);
    for (const name of wanted) expect(claims.map((one) => at(one, 'metadata', 'name'))).toContain(name);
  });

  test('services and autoscaler mean the pods and ports that there are', () => {
    const ports = listAt(server, 'ports').map((one) => at(one, 'name'));
    expect(ports).toContain(
      at(deployObject('kubernetes/server/service.yaml'), 'spec', 'ports', 0, 'targetPort'),
    );
    expect(at(deployObject('kubernetes/server/autoscaler.yaml'), 'spec', 'scaleTargetRef', 'name')).toBe(
      at(deployment, 'metadata', 'name'),
    );
  });

  test('the ranks of the job find each other, by the variables that train reads', () => {
    const env = Object.fromEntries(
      listAt(rank, 'env').map((one) => [String(at(one, 'name')), String(at(one, 'value'))]),
    );
    const size = Number(at(job, 'spec', 'completions'));
    expect([at(job, 'spec', 'completionMode'), at(job, 'spec', 'parallelism')]).toEqual(['Indexed', size]);
    expect(Number(env.WORLD_SIZE)).toBe(size);
    const service = deployObject('kubernetes/training/service.yaml');
    const name = String(at(job, 'metadata', 'name'));
    expect(at(service, 'metadata', 'name')).toBe(at(job, 'spec', 'template', 'spec', 'subdomain'));
    expect(at(service, 'spec', 'selector')).toEqual({ 'batch.kubernetes.io/job-name': name });
    expect(env.MASTER_ADDR).toBe(`${name}-0.${at(service, 'metadata', 'name')}`);
    for (let index = 0; index < size; index++)
      expect(rankEnvironment({ ...env, JOB_COMPLETION_INDEX: String(index) })).toMatchObject({
        rank: index,
        size,
      });
  });

  test('its configuration is one', () => {
    expect(parseTrainingConfig(deployObject('kubernetes/training/run.yaml'), 'run.yaml').parallel.zero).toBe(
      3,
    );
    const folder = listAt(rank, 'volumeMounts').map((one) => at(one, 'mountPath'));
    expect(folder).toContain('/run/config');
  });
});

describe('image', () => {
  const steps = dockerSteps();

  test('three stages, the last without compiler, as a user of its own, with a health check', () => {
    const stages = steps
      .filter(({ instruction }) => instruction === 'FROM')
      .map(({ rest }) => rest.split(' AS ')[1]);
    expect(stages).toEqual(['package', 'native', 'runtime']);
    const runtime = steps.slice(steps.findLastIndex(({ instruction }) => instruction === 'FROM'));
    expect(runtime.find(({ instruction }) => instruction === 'USER')?.rest).toBe('1000:1000');
    expect(runtime.some(({ instruction }) => instruction === 'HEALTHCHECK')).toBe(true);
    expect(runtime.map(({ rest }) => rest).join('\n')).not.toMatch(/g\+\+|npm |pip/);
    for (const { rest } of steps.filter(({ instruction }) => instruction === 'COPY'))
      for (const [, stage = ''] of rest.matchAll(/--from=(\w+)/g)) expect(stages).toContain(stage);
  });

  test('Node and libtorch are versions that the set-up takes', () => {
    const [, node = ''] = /NODE_IMAGE=node:(\d+\.\d+)/.exec(deployText('Dockerfile')) ?? [];
    expect(Number(node.split('.')[0])).toBeGreaterThanOrEqual(20);
    const setUp = deployText('../tools/setup/libtorch.mjs');
    const [, fetched = ''] = /fetchedVersion = '([^']+)'/.exec(setUp) ?? [];
    expect(deployText('Dockerfile')).toContain(`ARG TORCH_VERSION=${fetched}\n`);
  });

  test('files that compose mounts are there', () => {
    for (const service of Object.values(Object(at(compose, 'services'))))
      for (const mount of textsAt(service, 'volumes')) {
        const [source = ''] = mount.split(':');
        // The certificate is the reader's own.
        if (source.startsWith('./') && source !== './nginx/tls')
          expect(existsSync(join(deployFolder, source)), mount).toBe(true);
      }
  });
});
