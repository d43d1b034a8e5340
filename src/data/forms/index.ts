/** The forms of training records. */
export { DETECTION_RECORDS, detectForm } from './detect-form.js';
export {
  FormFault,
  type FormFaultReason,
  type FormOptions,
  isRecord,
  type ReadForm,
  type SampleContent,
  saysNothing,
  wrongType,
} from './form.js';
export { keysOfForm, unreadKeys } from './record-keys.js';
export { formReader, SAMPLE_FORMS, type SampleForm } from './sample-form.js';
