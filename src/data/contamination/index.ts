/** Training texts against evaluation sets. */
export {
  ContaminationCheck,
  type ContaminationHit,
  type ContaminationOptions,
  type ContaminationSetReport,
  checkContamination,
} from './contamination.js';
