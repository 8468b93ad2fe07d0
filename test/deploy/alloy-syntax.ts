/** A block of a configuration of Grafana Alloy: https://grafana.com/docs/alloy/latest/get-started/configuration-syntax/ */
export interface AlloyBlock {
  /** `loki.process`, `stage.match`, … */
  name: string;
  label?: string;
  /** Strings, maps of strings and lists of strings; any other expression is kept as it is written. */
  attributes: Record<string, AlloyValue>;
  blocks: AlloyBlock[];
}

export type AlloyValue = string | string[] | Record<string, string> | { expression: string };

const TOKEN = /\/\/[^\n]*|`[^`]*`|"(?:[^"\\\n]|\\.)*"|[\w.]+|[{}[\](),=+]|\n|[ \t]+/y;

/** Reads as much of the syntax as our configuration uses; throws where it is another, or does not close what it opens. */
export function parseAlloy(text: string): AlloyBlock[] {
  const tokens = tokensOf(text);
  let at = 0;
  const peek = () => tokens[at] ?? '';
  const take = (expected?: string): string => {
    const token = tokens[at++];
    if (token === undefined || (expected !== undefined && token !== expected))
      throw new Error(`expected ${expected ?? 'more'}, found ${token ?? 'the end'}`);
    return token;
  };
  const skipLines = () => {
    while (peek() === '\n') at++;
  };

  function body(end: string): Pick<AlloyBlock, 'attributes' | 'blocks'> {
    const attributes: AlloyBlock['attributes'] = {};
    const blocks: AlloyBlock[] = [];
    for (skipLines(); peek() !== end; skipLines()) {
      const name = take();
      if (!/^[a-z][\w.]*$/.test(name)) throw new Error(`expected a name, found ${name}`);
      if (peek() === '=') {
        take('=');
        attributes[name] = value();
      } else {
        const label = isText(peek()) ? { label: textOf(take()) } : {};
        take('{');
        blocks.push({ name, ...label, ...body('}') });
        take('}');
      }
      if (at < tokens.length) take('\n');
    }
    return { attributes, blocks };
  }

  function value(): AlloyValue {
    const start = at;
    let depth = 0;
    while (at < tokens.length && (depth > 0 || peek() !== '\n')) {
      const token = take();
      if ('{[('.includes(token)) depth++;
      if ('}])'.includes(token)) depth--;
    }
    return readValue(tokens.slice(start, at));
  }

  const { attributes, blocks } = body('');
  if (Object.keys(attributes).length > 0) throw new Error('an attribute that belongs to no component');
  return blocks;
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) throw new Error(`not understood: ${text.slice(at, at + 40)}`);
    if (!token.startsWith('//') && token.trim() + token !== token) tokens.push(token);
    if (token === '\n') tokens.push(token);
  }
  return tokens;
}

function readValue(tokens: readonly string[]): AlloyValue {
  const [first = '', ...rest] = tokens;
  if (rest.length === 0 && isText(first)) return textOf(first);
  const inner = rest.slice(0, -1).filter((token) => token !== ',' && token !== '\n');
  if (first === '[' && inner.every(isText)) return inner.map(textOf);
  if (first === '{') {
    const pairs = Array.from({ length: inner.length / 3 }, (_, index) => inner.slice(index * 3, index * 3 + 3));
    return Object.fromEntries(pairs.map(([key = '', , text = '']) => [key, textOf(text)]));
  }
  return { expression: tokens.join('') };
}

function isText(token: string): boolean {
  return token.startsWith('"') || token.startsWith('`');
}

/** A raw string, or one with escapes. */
function textOf(token: string): string {
  return token.startsWith('`') ? token.slice(1, -1) : (JSON.parse(token) as string);
}
