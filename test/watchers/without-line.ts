import { expect } from 'vitest';
import type { Statement } from '../../src/core/observation.ts';

/** A statement without its line, which it must have. */
export function withoutLine(statement: Statement | undefined): Record<string, unknown> | undefined {
  if (statement === undefined) return undefined;
  const { line, ...rest } = statement;
  expect(line).toBeTypeOf('string');
  return rest;
}
