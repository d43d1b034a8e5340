/** The ten dimensions in which TeleChat's dialogues are scored, in the order of its report. */
export const DIMENSIONS = [
  'chit-chat',
  'expertise',
  'translation',
  'logic',
  'long-writing',
  'hallucination',
  'safety',
  'role-play',
  'task-execution',
  'mathematics',
] as const;
