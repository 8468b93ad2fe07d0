import fc from 'fast-check';
import { it } from 'vitest';
import { stringify } from 'yaml';
import { parseConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/core/errors.ts';

const KEYS = ['notifiers', 'watchers', 'redis', 'docker', 'log', 'http', 'type', 'name', 'url', 'url_file', 'password'];
const WORDS = [
  'slack',
  'webhook',
  'redis',
  'netfilter',
  '${X}',
  '${X:-y}',
  '${',
  'https://x.org',
  '__proto__',
  'constructor',
];

/** Values in the shape of a configuration, or nearly. */
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...WORDS, null, true, 0, -1, 1.5),
    fc.string(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...KEYS), fc.constantFrom(...WORDS), fc.string()), tie('value'), {
      maxKeys: 4,
    }),
  ),
}));

/** It is a configuration, or its mistakes are told; nothing else may be thrown. */
function isHandled(text: string): boolean {
  try {
    return parseConfig(text, { env: { X: 'x' }, file: 'c.yaml' }).notifiers.length > 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.length > 0 && error.issues.every(({ message }) => message !== '');
  }
}

it('any value is a configuration, or has mistakes that are told', () => {
  fc.assert(
    fc.property(value, (each) => isHandled(stringify(each))),
    { numRuns: 500 },
  );
});

it('any text is a configuration, or has mistakes that are told', () => {
  const text = fc.array(
    fc.oneof(fc.constantFrom(...'{}[]:,-?*&!|>%@`"\'\n\t #\\'), fc.string({ maxLength: 3 }), fc.constantFrom(...KEYS)),
  );
  fc.assert(
    fc.property(text, (parts) => isHandled(parts.join(''))),
    { numRuns: 500 },
  );
});
