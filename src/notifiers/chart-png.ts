import type { Message } from '../core/message.ts';

/** In pixels, twice what is shown on most screens. */
const WIDTH = 960;
const HEIGHT = 300;
const MARGIN = 16;
/** Part of a bar's place that it fills. */
const FILLED = 0.72;

type Colour = readonly [red: number, green: number, blue: number, alpha: number];

/** They are seen on white as well as on black, and by whoever does not tell red from green. */
const BAR: Colour = [0xe5, 0x48, 0x3b, 255];
const BEFORE: Colour = [0x90, 0x9c, 0xab, 150];
const LINE: Colour = [0x90, 0x9c, 0xab, 90];

export type Chart = NonNullable<Message['chart']>;

/**
 * Bars as a PNG without a background: those of the period, and behind each, wider and grey, that of the period before. All
 * in one scale; the line on top is its largest value. The encoder is loaded with the first picture.
 */
export async function drawChart({ values, previous = [] }: Chart): Promise<Uint8Array> {
  const { encode } = await import('fast-png');
  const data = new Uint8Array(WIDTH * HEIGHT * 4);
  const highest = Math.max(1, ...values, ...previous);
  const bottom = HEIGHT - MARGIN;
  const room = bottom - MARGIN;
  const place = (WIDTH - 2 * MARGIN) / Math.max(1, values.length);
  for (const share of [0, 0.5, 1]) fill(data, MARGIN, bottom - share * room - 1, WIDTH - 2 * MARGIN, 2, LINE);
  const bars = (list: readonly number[], width: number, colour: Colour) => {
    for (const [index, value] of list.slice(0, values.length).entries()) {
      const height = (Math.max(0, value) / highest) * room;
      fill(data, MARGIN + index * place + (place - width) / 2, bottom - height, width, height, colour);
    }
  };
  bars(previous, place * FILLED, BEFORE);
  bars(values, place * FILLED * (previous.length > 0 ? 0.6 : 1), BAR);
  return encode({ width: WIDTH, height: HEIGHT, data, channels: 4, depth: 8 });
}

function fill(data: Uint8Array, x: number, y: number, width: number, height: number, colour: Colour): void {
  const [left, right] = [Math.round(x), Math.round(x + width)];
  for (let row = Math.max(0, Math.round(y)); row < Math.min(HEIGHT, Math.round(y + height)); row++) {
    for (let column = Math.max(0, left); column < Math.min(WIDTH, right); column++) {
      data.set(colour, (row * WIDTH + column) * 4);
    }
  }
}
