/** MMLU's 57 subjects and its four groups, as the authors' categories.py has them. */
import type { Subject } from '../../sets/letter-choice.js';

const GROUPS = {
  STEM: `abstract_algebra astronomy college_biology college_chemistry college_computer_science college_mathematics
    college_physics computer_security conceptual_physics electrical_engineering elementary_mathematics high_school_biology
    high_school_chemistry high_school_computer_science high_school_mathematics high_school_physics high_school_statistics
    machine_learning`,
  'Social Science': `econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics
    high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations
    security_studies sociology us_foreign_policy`,
  Humanities: `formal_logic high_school_european_history high_school_us_history high_school_world_history international_law
    jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory professional_law world_religions`,
  Other: `anatomy business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing
    medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology`,
} as const;

export const SUBJECTS: Readonly<Record<string, Subject>> = Object.fromEntries(
  Object.entries(GROUPS).flatMap(([group, names]) =>
    names
      .split(/\s+/)
      .map((name): [string, Subject] => [name, { title: name.replaceAll('_', ' '), groups: [group] }]),
  ),
);
