import { styleText } from 'node:util';
import { z } from 'zod';
import { TransientError } from '../core/errors.ts';
import { ICONS, type Line, type Message, plainLine, type Tone } from '../core/message.ts';
import type { NotifierDefinition } from '../core/notifier.ts';
import { sanitizeLine } from '../core/text.ts';

const Options = z.object({
  colours: z.enum(['auto', 'always', 'never']).default('auto').describe('`auto`: on a terminal only'),
});

type Style = Parameters<typeof styleText>[0];

const STYLES: Record<Tone, Style> = {
  own: ['bold', 'magenta'],
  ban: ['bold', 'red'],
  end: ['bold', 'green'],
  cleared: ['bold', 'yellow'],
  denied: ['bold', 'inverse'],
  trouble: ['bold', 'yellow'],
  recovered: ['bold', 'green'],
  quiet: ['bold', 'gray'],
};

/** A person's terminal, or the container's log. */
export const consoleNotifier: NotifierDefinition<typeof Options> = {
  type: 'console',
  summary: 'The terminal, or the log of the container',
  options: Options,
  audience: 'people',
  pace: { groupIntervalMs: 0, minIntervalMs: 0, maxEvents: 100 },
  create: ({ colours }, { stdout, compose }) => ({
    async notify({ events }, signal) {
      const isTerminal = 'isTTY' in stdout && stdout.isTTY === true;
      const paint = colours === 'always' || (colours === 'auto' && isTerminal);
      let text = '';
      for (const event of events) text += renderConsole(await compose([event]), paint);
      await write(stdout, text, signal);
    },
  }),
};

/** Resolves once it is written; a reader that does not read holds it up until `signal` aborts. */
function write(stdout: NodeJS.WritableStream, text: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const give = () => reject(new TransientError('the terminal does not take it'));
    if (signal.aborted) return give();
    signal.addEventListener('abort', give, { once: true });
    stdout.write(text, (error) => {
      signal.removeEventListener('abort', give);
      if (error) reject(new TransientError('the terminal cannot be written to', { cause: error }));
      else resolve();
    });
  });
}

/** A message as lines of text, with a blank line behind. */
export function renderConsole(message: Message, paint: boolean): string {
  const style = (as: Style, text: string) => (paint ? styleText(as, text, { validateStream: false }) : text);
  const show = (line: Line) =>
    line
      .map((part) =>
        typeof part === 'object' && 'code' in part ? style('cyan', safe(part.code)) : safe(plainLine([part])),
      )
      .join('');
  const width = Math.max(0, ...message.facts.map((fact) => fact.label.length));
  const lines = [
    `${ICONS[message.tone]} ${style(STYLES[message.tone], safe(plainLine(message.title)))}`,
    ...message.lead.map((line) => `   ${show(line)}`),
    ...message.facts.map(({ label, value }) => `   ${style('dim', label.padEnd(width))}  ${show(value)}`),
    ...message.notes.map((note) => `   ${style('yellow', `⚠ ${safe(plainLine(note))}`)}`),
    ...message.items.map((item) => `   • ${show(item)}`),
    ...message.evidence.map((line) => style('dim', `   │ ${safe(line)}`)),
    style('dim', `   ${safe(message.footer)}`),
  ];
  return `${lines.join('\n')}\n\n`;
}

/** Keeps the blanks at the ends: a part is a piece of a line. */
function safe(text: string): string {
  const [, front = '', back = ''] = /^(\s?).*?(\s?)$/s.exec(text) ?? [];
  const middle = sanitizeLine(text);
  return middle === '' ? front && ' ' : `${front && ' '}${middle}${back && ' '}`;
}
