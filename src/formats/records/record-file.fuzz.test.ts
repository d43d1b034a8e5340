import { fuzzRecordFiles } from '../../../tests/support/record-file-fuzz.js';

fuzzRecordFiles(250);
