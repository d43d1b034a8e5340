/**
 * What an evaluation set is to the rest: data about it, and two short functions, from files to samples and from an output to a
 * grade. A task knows no model; docs/adding-a-task.md is the contract.
 */
import type { PromptForm } from './model/language-model.js';
import type { Estimate } from './run/statistics.js';
import type { SetReader } from './sets/set-reader.js';

export interface Task {
  /** As on the command line. */
  readonly name: string;
  /** For people, in tables. */
  readonly title: string;
  /** Rises with every change that may change a score: prompts, graders, which rows count. */
  readonly version: number;
  /** Below the root of the data. */
  readonly folder: string;
  /** Where `folder` lies, for tasks that bring their own data. Default: the root of the data. */
  readonly root?: string;
  /** Where the set comes from, its paper, and where we differ from either. */
  readonly source: string;
  readonly paper: string;
  readonly deviations: readonly string[];
  /** Examples before each question unless the user says otherwise; undefined: the set has none to give. */
  readonly defaultShots: number | undefined;
  /** How it is asked unless the user says otherwise: options compared, or an answer written. */
  readonly defaultMode: ScoringMode;
  /** The ways in which it can be asked. Default: both. */
  readonly modes?: readonly ScoringMode[];
  /** Default: what suits the mode and the model. */
  readonly defaultForm?: PromptForm;
  /** Whether `--cot` means something here. */
  readonly takesCot: boolean;
  /** Whether it thinks first even without `--cot`. Default false. */
  readonly isCotByDefault?: boolean;
  /** Several outputs of one sample count (pass@k). Default: one alone. */
  readonly allowsSeveralOutputs?: boolean;
  /** The grader runs what the model wrote: a sandbox is needed. */
  readonly runsCode?: boolean;
  /** Means over groups: the first is the score, the others stand beside it. Default: the mean over samples is the score. */
  readonly averages?: readonly Average[];
  /** Further metrics of written answers beside `metric`. */
  readonly metric?: string;
  readonly otherMetrics?: readonly string[];
  /** Answers are dialogues that a judge scores; without one they are recorded alone. */
  readonly isJudged?: boolean;
  /** All its metrics, in place of the usual ones of either way of asking. */
  readonly metrics?: readonly string[];
  /** Metrics that are no mean over samples, from the grades of all. */
  readonly aggregations?: Readonly<Record<string, (grades: readonly AggregatedGrade[]) => Estimate>>;
  /** What is written where the set comes without labels. */
  readonly submission?: (answers: readonly SubmittedAnswer[]) => unknown;
  /** @throws InputError where the set is not there or not of its form */
  readonly load: (reader: SetReader, options: LoadOptions) => Promise<LoadedSet>;
}

export interface AggregatedGrade {
  readonly target: Sample['target'];
  readonly extracted: Grade['extracted'];
  /** What this metric says of the sample; undefined for one that is missing. */
  readonly value: number | undefined;
}

export type ScoringMode = 'loglikelihood' | 'generate';

/** The plain mean over some groups, however many samples each has. */
export interface Average {
  /** What it is a mean over, for people: "subjects". */
  readonly over: string;
  readonly groups: (all: readonly string[]) => readonly string[];
}

export interface LoadOptions {
  readonly shots: number;
  /** Asked for by name: too few examples are an error then, not a note. */
  readonly isShotsWanted: boolean;
  readonly isCot: boolean;
  /** Prompts are needed: recorded outputs are graded without. */
  readonly needsPrompts: boolean;
  /** Which split; default: the task's own choice. */
  readonly split?: string | undefined;
  /** Leave out what asks for several answers or for none of a list, as some published tables do. */
  readonly isSingleChoiceOnly: boolean;
  /** Ids of recorded outputs, by which the form of the set is chosen where it lies there in several. */
  readonly recordedIds?: ReadonlySet<string> | undefined;
}

export interface LoadedSet {
  readonly samples: readonly Sample[];
  /** What people should know of these numbers: fewer shots, another split. */
  readonly notes: readonly string[];
}

export interface Sample {
  /** `<file stem>/<index>`, stable for ever. */
  readonly id: string;
  /** The file that it came from, without folder and ending. */
  readonly file: string;
  /** Names of the groups that it counts to: its subject, its part of the published table, its file. */
  readonly groups: readonly string[];
  /** The right answer; null where the set does not say. */
  readonly target: string | readonly string[] | null;
  /** What a right answer earns. Default 1; other than 1 the results are points. */
  readonly maxPoints?: number;
  /** How it is asked; undefined where no prompts were needed. */
  readonly prompt?: Prompt | undefined;
  /** How it is asked where options are compared by log-likelihood. Default: as `prompt`. */
  readonly choicePrompt?: Prompt | undefined;
  /** Asked again with what the model wrote first; the second output is graded. */
  readonly secondPrompt?: ((output: string) => Prompt) | undefined;
  /** A dialogue: what the user says after each answer. */
  readonly laterTurns?: readonly string[] | undefined;
  /** What a judge sees beside the answers. */
  readonly judged?: JudgedDialogue | undefined;
  /** Questions with options: what log-likelihoods choose among. */
  readonly choices?: readonly Choice[] | undefined;
  /** What earns the right answer: a text that stands for the chosen options, graded like any output. */
  readonly outputOfChoices?: ((chosen: readonly number[]) => string) | undefined;
  /** Written answers end before the first of these, or after so many tokens. */
  readonly stop?: readonly string[];
  readonly maxNewTokens?: number;
  /** What a free answer must be, for its log-likelihood. */
  readonly reference?: string | undefined;
  /** Several answers are written, by chance where `sampling` says so; all of them are graded together. Default 1. */
  readonly repeats?: number;
  readonly sampling?: SamplingWish;
  readonly grade: (outputs: readonly string[], tools: GradingTools) => Grade | Promise<Grade>;
  /** Of log-likelihoods, where the usual metrics are not wanted: one list for each choice. `others` are all that count. */
  readonly gradeChoices?: (
    logLikelihoods: readonly (readonly number[])[],
    isGreedy: readonly (readonly boolean[])[],
  ) => Grade;
}

/** How tokens are drawn; absent: the likeliest is taken. */
export interface SamplingWish {
  readonly temperature: number;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
}

/** What some graders need beside the output. */
export interface GradingTools {
  /** Runs a Python program in the sandbox: did it reach its end? */
  readonly runProgram: (program: string) => Promise<ProgramVerdict>;
}

export interface ProgramVerdict {
  readonly hasPassed: boolean;
  /** "passed", "failed: AssertionError", "timed out", … */
  readonly outcome: string;
}

/** One decision among options: the model's own continuation, each with what its length is measured by. */
export interface Choice {
  /** Text between the prompt and the options, e.g. "(2) ". Default none. */
  readonly lead?: string;
  readonly continuations: readonly string[];
  /** The text of each option without its leading blank, by whose length normalised metrics divide. Default: none of them. */
  readonly texts?: readonly string[];
  /** Place of the right one; undefined where the grade is more than right or wrong. */
  readonly answer?: number | undefined;
}

/** A question with its examples; the form (plain text, chat) is chosen where the model is known. */
export interface Prompt {
  /** A system message; in plain text it stands at the beginning. */
  readonly system?: string;
  /** Stands before the first question. */
  readonly header?: string;
  readonly shots: readonly Shot[];
  readonly question: string;
  /** Between examples in plain text. Default a blank line. */
  readonly separator?: string;
  /** The question is the next turn of a conversation. */
  readonly dialogue?: Dialogue | undefined;
}

/** What was said before the question, and how plain text names who speaks. */
export interface Dialogue {
  readonly turns: readonly DialogueTurn[];
  /** "User: ", "Assistant:" */
  readonly speakers: { readonly user: string; readonly assistant: string };
}

export interface DialogueTurn {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface JudgedDialogue {
  /** Whose rubric counts. */
  readonly dimension: string;
  /** In place of what the rubric says of the dimension, which it need not have then. */
  readonly criteria?: string | undefined;
  readonly language: 'zh' | 'en';
  readonly system?: string | undefined;
  /** What the user says, turn by turn. */
  readonly turns: readonly string[];
  /** A right answer, and what one must hold; for the judge alone. */
  readonly reference?: string | undefined;
  readonly points: readonly string[];
}

export interface Shot {
  readonly question: string;
  /** As it follows the question in plain text, its leading blank included. */
  readonly answer: string;
}

export interface Grade {
  /** What the rule found in the output; null for nothing. */
  readonly extracted: string | readonly string[] | null;
  /** One for each output. */
  readonly isCorrect: readonly boolean[];
  /** In place of right or wrong. */
  readonly points?: number;
  /** 0 or 1 by other rules, or what an aggregation is made of, by their names. */
  readonly others?: Readonly<Record<string, number>>;
}

export interface SubmittedAnswer {
  readonly sample: Sample;
  readonly extracted: Grade['extracted'];
}

/** The usual grade of one output. */
export function graded(
  outputs: readonly string[],
  extract: (output: string) => string | null,
  target: string | null,
): Grade {
  const extracted = extract(outputs[0] ?? '');
  return { extracted, isCorrect: [target !== null && extracted === target] };
}
