/** Writes what follows from code: the example, the JSON Schemas, the reference and the board. A test tells when they are stale. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedFiles } from './generated-files.ts';

for (const [path, content] of Object.entries(generatedFiles())) {
  writeFileSync(join(import.meta.dirname, '..', path), content);
  process.stdout.write(`${path}\n`);
}
