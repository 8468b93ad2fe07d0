import type { Line } from '../core/message.ts';
import { isPlainText } from './html-text.ts';

/** Lines as the Markdown of Mattermost and Rocket.Chat, which make links of what looks like one, but not inside code. */

/** Backslashes in front of all that Markdown, mentions, channels and emojis are made of. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_~|<>@#[\]()!$]|:(?=[\w+-]+:|\/\/)|^\s*(?:[-+]|\d+\.)(?=\s)/g, '\\$&');
}

/** Nothing acts inside code but the backtick that ends it, which cannot be escaped. */
export function codeText(text: string): string {
  return text.replaceAll('`', 'ˋ');
}

export function codeSpan(text: string): string {
  return text === '' ? '' : `\`${codeText(text)}\``;
}

export function renderMarkdownLine(line: Line): string {
  return line
    .map((part) => {
      if (typeof part === 'string') return escapeMarkdown(part);
      if ('code' in part) return codeSpan(part.code);
      if ('markup' in part) return part.markup;
      if ('words' in part) return isPlainText(part.words) ? escapeMarkdown(part.words) : codeSpan(part.words);
      return part.as === 'moment' ? part.text : '';
    })
    .join('');
}
