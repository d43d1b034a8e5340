/** How the model of a run is to be talked to afterwards, where its dialogues were rendered by a chat template. */
import { log } from '../../log/index.js';
import { type Architecture, chooseModelChat } from '../../models/index.js';

interface TemplateOfRun {
  readonly architecture: Architecture;
  /** Where the model's own template may lie. */
  readonly tokenizerPath: string;
  /** That of the dialogues; undefined: the family's own format, or no dialogues. */
  readonly trained: string | undefined;
  /** That of the held-out dialogues. */
  readonly heldOut: string | undefined;
}

/** Says where it is not the one that the model brings along: `final/` gets the trained one. */
export function sayTrainedTemplate({ architecture, tokenizerPath, trained, heldOut }: TemplateOfRun): void {
  if (trained === undefined) return;
  if (heldOut !== undefined && heldOut !== trained)
    log('warning: the held-out dialogues are rendered by another chat template than those that are learned');
  const own = chooseModelChat(architecture, [tokenizerPath]);
  if (own === undefined || (own.kind === 'template' && own.text === trained)) return;
  log(
    own.kind === 'own'
      ? "warning: the dialogues are in a chat template, not in the family's own format; final/ gets it as chat_template.jinja, and chat " +
          'and serve take it with --chat-template model'
      : `warning: the dialogues are in another chat template than ${own.source}; final/ gets that of the dialogues`,
  );
}
