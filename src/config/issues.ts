import type { z } from 'zod';
import { safeText } from '../core/text.ts';
import { formatPath, isSecret, memberFor, schemaAt, shapeOf, typesOf } from './walk.ts';

/** One mistake: where it stands in the value, and what to say of it. */
export interface Finding {
  path: readonly PropertyKey[];
  message: string;
  /** The mistake is the key itself, not its value. */
  isKey?: boolean;
}

/** What zod found, said to a person: the wrong value unless it is secret, what was expected, what was perhaps meant. */
export function explainIssues(schema: z.core.$ZodType, input: unknown, issues: readonly z.core.$ZodIssue[]): Finding[] {
  return issues.flatMap((issue) => explainIssue(schema, input, issue));
}

function explainIssue(schema: z.core.$ZodType, input: unknown, issue: z.core.$ZodIssue): Finding[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const at = schemaAt(schema, input, path);
    const known = Object.keys(shapeOf((at && memberFor(at, valueAt(input, path))) ?? schema) ?? {});
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known), isKey: true }));
  }
  const target = schemaAt(schema, input, path);
  const value = valueAt(input, path);
  if (issue.code === 'invalid_union') return [explainUnion(schema, input, issue)];
  const shown = value === undefined || (target !== undefined && isSecret(target)) ? '' : `, not ${show(value)}`;
  if (value === undefined) {
    const hint =
      path.length === 1 && path[0] === 'notifiers' ? ', or COWBELL_SLACK_URL and the like in the environment' : '';
    return [{ path, message: `is missing: ${expectation(issue)}${hint}` }];
  }
  return [{ path, message: `${expectation(issue)}${shown}` }];
}

function explainUnion(schema: z.core.$ZodType, input: unknown, issue: z.core.$ZodIssueInvalidUnion): Finding {
  const path = issue.path.at(-1) === 'type' ? issue.path : [...issue.path, 'type'];
  const entry = path.slice(0, -1);
  const union = schemaAt(schema, input, entry);
  const types = union === undefined ? [] : typesOf(union);
  const value = valueAt(input, path);
  const list = `one of ${types.join(', ')}`;
  const whole = valueAt(input, entry);
  if (typeof whole !== 'object' || whole === null)
    return { path: entry, message: `expected a mapping with a type, ${list}` };
  if (value === undefined) return { path, message: `is missing: expected ${list}` };
  return { path, message: `expected ${list}, not ${show(value)}${suggestion(String(value), types)}` };
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${issue.expected === 'object' ? 'a mapping' : issue.expected === 'array' ? 'a list' : withArticle(issue.expected)}`;
    case 'invalid_value':
      return `expected ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`;
    case 'too_small':
      if (issue.origin === 'array') return `expected at least ${issue.minimum === 1 ? 'one' : issue.minimum}`;
      return issue.origin === 'string' ? 'expected some text' : `expected ${issue.minimum} or more`;
    case 'too_big':
      return `expected ${issue.maximum} or less`;
    default:
      return issue.message;
  }
}

function withArticle(noun: string): string {
  if (noun === 'int') return 'a whole number';
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

function show(value: unknown): string {
  return safeText(JSON.stringify(value) ?? String(value), 80);
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  );
}

function unknownKey(key: string, known: readonly string[]): string {
  const hint = suggestion(key, known);
  return `is not known here${hint === '' ? `; known are ${known.join(', ')}` : hint}`;
}

/** `; did you mean "notifiers"?` where something is near enough. */
function suggestion(text: string, candidates: readonly string[]): string {
  const near = candidates
    .map((candidate) => ({ candidate, distance: editDistance(text.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(2, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0];
  return near === undefined ? '' : `; did you mean "${near.candidate}"?`;
}

/** Levenshtein's distance; long texts are simply far away. */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitute));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** A finding's place as a person writes it. */
export function placeOf(finding: Finding): string {
  return formatPath(finding.path);
}
