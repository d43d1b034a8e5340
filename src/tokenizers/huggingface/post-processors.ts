/** Post-processors of a tokenizer.json: which special tokens frame a text. */
import { InputError } from '../../errors/index.js';
import type { JsonFields } from '../json-fields.js';
import { MAX_TOKEN_ID } from './bpe-model.js';
import { refuseDepth } from './normalizers.js';

/** Ids that belong before and after a text when special tokens are added. */
export interface SpecialFrame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const NOTHING: SpecialFrame = { before: [], after: [] };
const SUPPORTED = 'Sequence, ByteLevel, TemplateProcessing, BertProcessing and RobertaProcessing';

/** The frame of a `post_processor` object, for single texts. Throws InputError naming a kind that we do not have. */
export function compilePostProcessor(fields: JsonFields | undefined, depth = 0): SpecialFrame {
  if (!fields) return NOTHING;
  switch (fields.string('type')) {
    case 'Sequence': {
      refuseDepth(fields, depth);
      const frames = fields.objects('processors').map((step) => compilePostProcessor(step, depth + 1));
      return frames.reduce(
        (inner, outer) => ({
          before: [...outer.before, ...inner.before],
          after: [...inner.after, ...outer.after],
        }),
        NOTHING,
      );
    }
    case 'ByteLevel':
      return NOTHING; // changes offsets only, which we do not have
    case 'TemplateProcessing':
      return compileTemplate(fields);
    case 'BertProcessing':
    case 'RobertaProcessing':
      return { before: [readPairId(fields, 'cls')], after: [readPairId(fields, 'sep')] };
    default:
      throw fields.unsupported('post-processor', SUPPORTED);
  }
}

function compileTemplate(fields: JsonFields): SpecialFrame {
  const specials = fields.object('special_tokens');
  const before: number[] = [];
  const after: number[] = [];
  let textSeen = false;
  for (const item of fields.objects('single')) {
    if (item.has('Sequence')) {
      if (textSeen) throw new InputError(`${fields.at('single')} names the text twice.`);
      textSeen = true;
      continue;
    }
    const special = specials.object(item.object('SpecialToken').string('id'));
    for (const [index, id] of special.array('ids').entries()) {
      if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAX_TOKEN_ID) {
        throw special.mismatch('ids', `token ids (item ${index} is not)`);
      }
      (textSeen ? after : before).push(id);
    }
  }
  if (!textSeen)
    throw new InputError(`${fields.at('single')} has no Sequence: there is no place for the text.`);
  return { before, after };
}

/** The id of a `["token", id]` pair. */
function readPairId(fields: JsonFields, key: string): number {
  const id = fields.array(key)[1];
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAX_TOKEN_ID) {
    throw fields.mismatch(key, 'a pair ["token", id]');
  }
  return id;
}
