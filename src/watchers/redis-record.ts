const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * A record of the logs that mailcow keeps in Redis, `{time, priority, message}` of netfilter or `{time, program, priority,
 * message}` of its syslog-ng, as the line that the program prints: with its time in the zone of this process, and its level
 * or program in front again, so that a parser can hold it against them. Undefined for anything else. A line break in a
 * message stays inside its record.
 */
export function recordText(record: unknown): string | undefined {
  if (typeof record !== 'object' || record === null) return undefined;
  const { message, priority, program } = record as Record<string, unknown>;
  if (typeof message !== 'string') return undefined;
  const said = message.replace(/\r?\n$/, '');
  const at = new Date(recordTime(record) ?? 0);
  if (typeof program === 'string' && /^[\w./-]{1,64}$/.test(program))
    return `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2)} ${clockOf(at)} host ${program}[0]: ${said}`;
  if (program !== undefined || typeof priority !== 'string' || !/^(?:crit|warn|info)$/.test(priority)) return undefined;
  return `${dayOf(at)} ${clockOf(at)} ${priority.toUpperCase()}: ${said}`;
}

function dayOf(at: Date): string {
  return `${String(at.getFullYear()).padStart(4, '0')}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function clockOf(at: Date): string {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}

/** Time of a record in ms since the epoch; a number with netfilter, text with syslog-ng. */
export function recordTime(record: unknown): number | undefined {
  const time = typeof record === 'object' && record !== null && 'time' in record ? record.time : undefined;
  if (typeof time !== 'number' && !(typeof time === 'string' && /^\d{1,11}$/.test(time))) return undefined;
  const ms = Number(time) * 1000;
  return Number.isFinite(ms) && ms >= 0 && ms < 1e14 ? ms : undefined;
}
