/** Answers held to a form: a JSON Schema, an expression, a choice. */
import { loadModel } from 'xinghe';

const [path = 'out/demo/model'] = process.argv.slice(2);
await using model = await loadModel(path, { cacheTokens: 2048 });

const schema = {
  type: 'object',
  properties: { name: { enum: ['Vega', 'Altair'] }, bright: { type: 'boolean' } },
  required: ['name', 'bright'],
  additionalProperties: false,
};
const star = await model.chat([{ role: 'user', content: 'Name a star as JSON.' }], { schema });
console.log(JSON.parse(star.text));

const year = await model.generate('Founded in ', { regex: '(19|20)[0-9]{2}' });
console.log(year.text);

const mood = await model.chat([{ role: 'user', content: 'The film was a joy. Good or bad?' }], {
  choice: ['good', 'bad'],
});
console.log(mood.text);
