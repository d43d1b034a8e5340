/** An evaluation with all that it needs around it: a sandbox where a set runs code, and the reports beside the results. */
import type { Judge } from '../judge/judge.js';
import { writeReports } from '../report/write-reports.js';
import { PythonSandbox } from '../sandbox/python-sandbox.js';
import type { EvaluationPlan } from './evaluation-plan.js';
import { type Answerer, type EvaluationResult, runEvaluation } from './run-evaluation.js';

export interface EvaluateTasksOptions {
  /** The interpreter for sets that run code. Default python3. */
  readonly python?: string | undefined;
  /** Run what a model wrote without a sandbox where none works. Default false. */
  readonly runCodeUnsafely?: boolean | undefined;
  readonly judge?: Judge | undefined;
}

/** @throws as `runEvaluation`; InputError where a set runs code and there is no sandbox */
export async function evaluateTasks(
  plan: EvaluationPlan,
  answerer: Answerer,
  { python, runCodeUnsafely, judge }: EvaluateTasksOptions = {},
): Promise<EvaluationResult> {
  const runsCode = plan.tasks.some(
    ({ task, mode }) => task.runsCode === true && (answerer.kind === 'predictions' || mode === 'generate'),
  );
  const sandbox = runsCode ? new PythonSandbox({ python, mayRunUnconfined: runCodeUnsafely }) : undefined;
  try {
    const runProgram: Parameters<typeof runEvaluation>[2]['runProgram'] = (program) => {
      if (sandbox === undefined) throw new RangeError('a program to run, and no sandbox was made');
      return sandbox.run(program);
    };
    const result = await runEvaluation(plan, answerer, { runProgram }, judge);
    writeReports(plan.output, result);
    return result;
  } finally {
    sandbox?.dispose();
  }
}
