// A vitest reporter: writes the counts and the skipped tests with their reasons (which vitest's JSON lacks) to the
// file that $XINGHE_TEST_REPORT names.
import { writeFileSync } from 'node:fs';

/** @typedef {{ passed: number, failed: number, skipped: string[] }} TestReport */

// biome-ignore lint/style/noDefaultExport: vitest takes a reporter from the default export only
export default class TestReporter {
  /**
   * @param {readonly import('vitest/node').TestModule[]} modules
   * @param {readonly import('vitest/node').SerializedError[]} strayErrors those outside of any test
   */
  onTestRunEnd(modules, strayErrors) {
    /** @type {TestReport} */
    const report = { passed: 0, failed: strayErrors.length, skipped: [] };
    for (const module of modules) {
      // A file that fails while it is read has no failed test to count.
      report.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') report.passed++;
        else if (result.state === 'failed') report.failed++;
        else {
          const reason = (result.state === 'skipped' && result.note) || test.meta().skipReason;
          // A test that is skipped for no reason would go unnoticed for ever.
          if (reason === undefined) report.failed++;
          const shown =
            reason ?? 'no reason given: use requires() of tests/support/requires.ts, or context.skip(reason)';
          report.skipped.push(`${module.relativeModuleId}: ${test.fullName} (${shown})`);
        }
      }
    }
    writeFileSync(process.env.XINGHE_TEST_REPORT ?? '/dev/stderr', JSON.stringify(report));
  }
}
