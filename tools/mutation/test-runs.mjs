// Runs of test files over the sources with faults in them.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readJson, root } from '../setup/paths.mjs';

/** Seconds that a start of vitest takes. */
const START = 2;

/** Each ends tests that run. @type {Set<() => void>} */
const running = new Set();
process.on('exit', () => {
  for (const end of running) end();
});

/**
 * @param {readonly string[]} tests @param {Record<string, string>} env @param {number} limit seconds
 * @param {readonly string[]} [options] @returns {Promise<'passed' | 'failed' | 'endless'>}
 */
function runTests(tests, env, limit, options = []) {
  return new Promise((resolve) => {
    const args = ['run', '--config', 'tools/mutation/vitest.config.mjs', '--silent', ...options, ...tests];
    const child = spawn(join(root, 'node_modules', '.bin', 'vitest'), args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: 'ignore',
      detached: true,
    });
    let isLate = false;
    const end = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    running.add(end);
    // Seconds are counted, so that those in which this process itself was stopped are none.
    let left = limit;
    const timer = setInterval(() => {
      if (--left > 0) return;
      isLate = true;
      clearInterval(timer);
      end();
    }, 1000);
    child.on('close', (code) => {
      running.delete(end);
      clearInterval(timer);
      resolve(isLate ? 'endless' : code === 0 ? 'passed' : 'failed');
    });
  });
}

export class TestRuns {
  /** Of each file that was run without a fault: its seconds and the faults whose places it reaches; undefined: it does not pass. */
  #known = new Map(/** @type {[string, { seconds: number, reached: Set<number> } | undefined][]} */ ([]));
  #folder;
  #count = 0;
  /** @param {string} folder for what the runs write @param {string} targetsFile the instrumented sources */
  constructor(folder, targetsFile) {
    this.#folder = folder;
    process.env.XINGHE_MUTATION_TARGETS = targetsFile;
  }

  /**
   * Those of the files that reach a fault's place, quick ones first; each file is run without a fault once.
   * @param {readonly string[]} tests @param {number} fault
   */
  async reaching(tests, fault) {
    const unknown = tests.filter((test) => !this.#known.has(test));
    if (unknown.length > 0) await this.#learn(unknown);
    return tests
      .filter((test) => this.#known.get(test)?.reached.has(fault) === true)
      .sort((a, b) => this.#seconds(a) - this.#seconds(b));
  }

  /**
   * Does one of the files fail with the fault? A start costs seconds: several quick files share it.
   * @param {readonly string[]} tests @param {number} fault @param {number} most seconds, as the files take without a fault
   * @returns {Promise<{ isNoticed: boolean, spent: number }>}
   */
  async isNoticed(tests, fault, most) {
    let spent = 0;
    const waiting = [...tests];
    while (waiting.length > 0 && spent < most) {
      const batch = waiting.splice(0, 1);
      let cost = START + this.#seconds(batch[0] ?? '');
      for (let [next] = waiting; next !== undefined && cost + this.#seconds(next) < 8; [next] = waiting) {
        cost += this.#seconds(next);
        batch.push(next);
        waiting.shift();
      }
      const outcome = await runTests(batch, { XINGHE_FAULT: String(fault) }, 40 + 6 * cost, ['--bail=1']);
      spent += cost;
      if (outcome !== 'passed') return { isNoticed: true, spent };
    }
    return { isNoticed: false, spent };
  }

  /** @param {string} test */
  #seconds(test) {
    return this.#known.get(test)?.seconds ?? 0;
  }

  /** @param {readonly string[]} tests */
  async #learn(tests) {
    const number = this.#count++;
    const reachedFile = join(this.#folder, `reached-${number}.jsonl`);
    const report = join(this.#folder, `report-${number}.json`);
    const options = ['--reporter=json', `--outputFile=${report}`];
    await runTests(tests, { XINGHE_REACHED: reachedFile }, 60 + 120 * tests.length, options);
    if (!existsSync(report) && tests.length > 1) {
      // One of them does not end: the others are still of use.
      for (const test of tests) await this.#learn([test]);
      return;
    }
    for (const test of tests) this.#known.set(test, undefined);
    if (!existsSync(reachedFile)) return;
    const reached = new Map(
      readFileSync(reachedFile, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .map(({ test, reached: ids }) => [relative(root, test), new Set(ids)]),
    );
    for (const { name, status, startTime, endTime } of readJson(report)?.testResults ?? []) {
      const test = relative(root, name);
      const ids = reached.get(test);
      if (status === 'passed' && ids !== undefined)
        this.#known.set(test, { seconds: (endTime - startTime) / 1000, reached: ids });
      else process.stderr.write(`mutation: ${test} does not pass without a fault, and is left out\n`);
    }
  }
}
