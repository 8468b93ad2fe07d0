import { isHarmless, type Line } from '../core/message.ts';

/** Lines as the little HTML that chat services take. */

/** https://core.telegram.org/bots/api#html-style asks for these three; the quote is for attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Whether an app that looks for addresses and commands in plain text finds none in it. */
export function isPlainText(text: string): boolean {
  return isHarmless(text) && !/[\p{L}\p{N}]\.\p{L}|(^|[\s(])\/\p{L}|\d{6}/u.test(text);
}

function codeSpan(text: string): string {
  return text === '' ? '' : `<code>${escapeHtml(text)}</code>`;
}

/** Foreign text is code, where an app makes nothing of it; our own is set in `tag`, where one is given. */
export function renderHtmlLine(line: Line, tag = ''): string {
  const own = (text: string) => (tag === '' ? escapeHtml(text) : `<${tag}>${escapeHtml(text)}</${tag}>`);
  const html = line
    .map((part) => {
      if (typeof part === 'string') return own(part);
      if ('code' in part) return codeSpan(part.code);
      if ('markup' in part) return part.markup;
      if ('words' in part) return isPlainText(part.words) ? own(part.words) : codeSpan(part.words);
      return part.as === 'moment' ? escapeHtml(part.text) : '';
    })
    .join('');
  return tag === '' ? html : html.replaceAll(`</${tag}><${tag}>`, '');
}
