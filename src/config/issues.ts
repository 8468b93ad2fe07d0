import type { z } from 'zod';
import { safeText } from '../core/text.ts';
import { formatPath, holdsSecret, isSecret, memberFor, schemaAt, shapeOf, typesOf, valueAt } from './walk.ts';

/** One mistake: where it stands in the value, and what to say of it. */
export interface Finding {
  path: readonly PropertyKey[];
  message: string;
  /** The mistake is the key itself, not its value. */
  isKey?: boolean;
}

/** The value as it was checked, and as it was written before variables and files were filled in. */
export interface Inputs {
  filled: unknown;
  written: unknown;
}

/** What zod found, said to a person: the wrong value unless it is secret, what was expected, what was perhaps meant. */
export function explainIssues(
  schema: z.core.$ZodType,
  inputs: Inputs,
  issues: readonly z.core.$ZodIssue[],
): readonly Finding[] {
  const findings = issues.flatMap((issue) => explainIssue(schema, inputs, issue));
  // Of several objections to one value the last is the narrowest.
  return [...new Map(findings.map((finding) => [JSON.stringify(finding.path.map(String)), finding])).values()];
}

function explainIssue(schema: z.core.$ZodType, inputs: Inputs, issue: z.core.$ZodIssue): Finding[] {
  const { path } = issue;
  const value = valueAt(inputs.filled, path);
  if (issue.code === 'unrecognized_keys') {
    const at = schemaAt(schema, inputs.filled, path);
    const shape = shapeOf((at && memberFor(at, value)) ?? schema) ?? {};
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, shape), isKey: true }));
  }
  if (issue.code === 'invalid_union') return [explainUnion(schema, inputs, issue)];
  if (issue.code === 'invalid_key') {
    const [inner] = issue.issues;
    return [{ path, message: inner === undefined ? issue.message : expectation(inner), isKey: true }];
  }
  if (value === undefined) {
    const hint =
      path.length === 1 && path[0] === 'notifiers' ? ', or COWBELL_SLACK_URL and the like in the environment' : '';
    return [{ path, message: `is missing: ${expectation(issue)}${hint}` }];
  }
  const shown = show(schemaAt(schema, inputs.filled, path), inputs, path);
  return [{ path, message: `${expectation(issue)}${shown}${remedy(issue, value)}` }];
}

function explainUnion(schema: z.core.$ZodType, inputs: Inputs, issue: z.core.$ZodIssueInvalidUnion): Finding {
  const path = issue.path.at(-1) === 'type' ? issue.path : [...issue.path, 'type'];
  const entry = path.slice(0, -1);
  const union = schemaAt(schema, inputs.filled, entry);
  const types = union === undefined ? [] : typesOf(union);
  const value = valueAt(inputs.filled, path);
  const list = `one of ${types.join(', ')}`;
  const whole = valueAt(inputs.filled, entry);
  if (typeof whole !== 'object' || whole === null)
    return { path: entry, message: `expected a mapping with a type, ${list}` };
  if (value === undefined) return { path, message: `is missing: expected ${list}` };
  return { path, message: `expected ${list}${show(undefined, inputs, path)}${suggestion(String(value), types)}` };
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${NOUNS[issue.expected] ?? withArticle(issue.expected)}`;
    case 'invalid_value':
      return `expected ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`;
    case 'too_small':
      if (issue.origin === 'array') return `expected at least ${issue.minimum === 1 ? 'one' : issue.minimum}`;
      return issue.origin === 'string' ? 'expected some text' : `expected ${issue.minimum} or more`;
    case 'too_big':
      return issue.origin === 'string'
        ? `expected ${issue.maximum} characters at most`
        : `expected ${issue.maximum} or less`;
    case 'invalid_format':
      // One that was given a message of its own tells what was expected.
      return issue.message.startsWith('expected') ? issue.message : `expected text that matches ${issue.pattern}`;
    default:
      return issue.message;
  }
}

const NOUNS: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  int: 'a whole number',
};

function withArticle(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

/**
 * `, not "loud"`. Of what is or may be secret only the kind: what holds secrets, and an address, which may carry a
 * password. A value with variables is shown as it was written: the environment has secrets.
 */
function show(target: z.core.$ZodType | undefined, { filled, written }: Inputs, path: readonly PropertyKey[]): string {
  const value = valueAt(filled, path);
  const isOpen = typeof value !== 'object' && !String(value).includes('://');
  if (!isOpen || (target !== undefined && holdsSecret(target))) {
    // Of a secret that is text, and of an address that is a wrong one, nothing is left to say.
    if (typeof value === 'string' && (value.includes('://') || (target !== undefined && isSecret(target)))) return '';
    return `, not ${kindOf(value)}`;
  }
  const source = valueAt(written, path) ?? value;
  return `, not ${safeText(typeof source === 'string' ? JSON.stringify(source) : String(source), 80)}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return 'text';
  return withArticle(typeof value);
}

function remedy(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code !== 'invalid_type') return '';
  if (issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
    return '; put it in quotes';
  const lacksBlank = typeof value === 'string' && issue.expected === 'object' && /^\w+:(?!\/\/)\S/.test(value);
  return lacksBlank ? BLANK_BEHIND_COLON : '';
}

const BLANK_BEHIND_COLON = '; a blank is missing behind the colon';

function unknownKey(key: string, shape: Record<string, z.core.$ZodType>): string {
  if (/^\w+:/.test(key)) return `is not known here${BLANK_BEHIND_COLON}`;
  const known = Object.keys(shape);
  const files = Object.entries(shape).flatMap(([name, field]) => (isSecret(field) ? [`${name}_file`] : []));
  const hint = suggestion(key, [...known, ...files]);
  return `is not known here${hint === '' ? `; known are ${known.join(', ')}` : hint}`;
}

/** `; did you mean "notifiers"?` where something is near enough. */
function suggestion(text: string, candidates: readonly string[]): string {
  const near = candidates
    .map((candidate) => ({ candidate, distance: editDistance(text.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(Math.min(2, text.length / 2), candidate.length / 3))
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
