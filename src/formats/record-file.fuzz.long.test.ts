import { fuzzRecordFiles } from '../../tests/record-file-fuzz.js';

fuzzRecordFiles(10_000);
