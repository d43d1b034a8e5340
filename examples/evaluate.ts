/** Measures a model on a set of one's own: a YAML file and its rows. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { evaluate } from 'xinghe';

const [model = 'out/demo/model', output = 'out/examples/evaluation'] = process.argv.slice(2);
const folder = join(output, '..', 'tasks');
mkdirSync(folder, { recursive: true });
const task = join(folder, 'capitals.yaml');
writeFileSync(
  task,
  `kind: choice
data: capitals.csv
prompt: "The capital of {{ country }}?\\n{{ lettered }}\\nAnswer:"
options: [first, second]
answer: key
`,
);
writeFileSync(
  join(folder, 'capitals.csv'),
  'country,first,second,key\nFrance,Paris,Lyon,A\nJapan,Osaka,Tokyo,B\nChad,Moundou,Ndjamena,B\n',
);

const { results, tasks } = await evaluate({ model, tasks: [task], output, overwrite: true });
for (const result of results) console.log(JSON.stringify(result));
console.log(`guessing would get ${tasks[0]?.chance}; ${join(output, 'report.html')} shows every question`);
