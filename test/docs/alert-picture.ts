import type { KnownBlock } from '@slack/types';
import type { renderSlack } from '../../src/notifiers/slack.ts';

const WIDTH = 760;
const LINE = 21;
const LONGEST_CODE = /.{1,87}/gu;

interface Text {
  text: string;
  style: '' | 'b' | 'c';
}

/** A picture of a Slack message, as SVG: what its parts say, in the places where Slack shows them. */
export function drawSlack(message: ReturnType<typeof renderSlack>): string {
  const [attachment] = message.attachments;
  const shapes: string[] = [];
  let y = 34;
  const write = (x: number, parts: readonly Text[], kind = '') => {
    shapes.push(`<text x="${x}" y="${y}"${kind && ` class="${kind}"`}>${parts.map(span).join('')}</text>`);
    y += LINE;
  };
  write(78, [{ text: 'cowbell', style: 'b' }]);
  write(78, partsOf(message.text));
  const top = y - 8;
  y += 8;
  for (const block of (attachment?.blocks ?? []) as KnownBlock[]) {
    if (block.type === 'context') {
      for (const element of block.elements)
        if ('text' in element) write(94, [{ text: element.text, style: '' }], 'dim');
    } else if (block.type === 'section') {
      const text = block.text?.text;
      if (text?.startsWith('```')) drawCode(text.split('\n').slice(1, -1));
      else for (const line of text?.split('\n') ?? []) write(94, partsOf(line));
      drawFields((block.fields ?? []).map((field) => field.text));
    }
    y += 7;
  }
  const bottom = y - 16;

  /** Long lines go on in the next, as in Slack. */
  function drawCode(lines: readonly string[]) {
    const rows = lines.flatMap((line) => plain(line).match(LONGEST_CODE) ?? []);
    shapes.push(`<rect x="94" y="${y - 14}" width="${WIDTH - 116}" height="${rows.length * LINE + 8}" class="box"/>`);
    y += 5;
    for (const row of rows) write(102, [{ text: row, style: '' }], 'code');
    y += 5;
  }

  /** Two columns, as Slack has them. */
  function drawFields(fields: readonly string[]) {
    for (let at = 0; at < fields.length; at += 2) {
      const start = y;
      const ends = fields.slice(at, at + 2).map((field, column) => {
        y = start;
        for (const line of field.split('\n')) write(94 + column * 320, partsOf(line));
        return y;
      });
      y = Math.max(...ends) + 4;
    }
  }

  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom + 24}" role="img" aria-label="${escapeXml(plain(message.text))}">
<style>text{font:15px system-ui,sans-serif;fill:#1d1c1d}.b{font-weight:700}.c{font:13px ui-monospace,monospace;fill:#c01343}.code{font:12px ui-monospace,monospace}.dim{font-size:12px;fill:#616061}.box{fill:#f6f6f6;stroke:#ddd}</style>
<rect width="100%" height="100%" rx="8" fill="#fff" stroke="#ddd"/>
<rect x="22" y="20" width="40" height="40" rx="8" fill="#fbe9c6"/><text x="30" y="48" style="font-size:24px">🔔</text>
<rect x="78" y="${top}" width="4" height="${bottom - top}" rx="2" fill="${attachment?.color}"/>
${shapes.join('\n')}
</svg>
`;
}

/** mrkdwn as far as cowbell uses it: `*bold*`, code, and moments, which are shown as readers see them in UTC. */
function partsOf(line: string): Text[] {
  const shown = line.replace(/ \(<!date[^|]*\{ago\}\|[^>]*>\)/g, '').replace(/<!date[^|]*\|([^>]*)>/g, '$1');
  return shown
    .split(/(`[^`]*`|\*[^*]*\*)/)
    .filter((text) => text !== '')
    .map((text) => {
      if (text.startsWith('`')) return { text: plain(text.slice(1, -1)), style: 'c' };
      return text.startsWith('*') ? { text: plain(text.slice(1, -1)), style: 'b' } : { text: plain(text), style: '' };
    });
}

function span({ text, style }: Text): string {
  return style === '' ? escapeXml(text) : `<tspan class="${style}">${escapeXml(text)}</tspan>`;
}

function plain(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
