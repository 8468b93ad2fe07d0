/**
 * A record of the logs that mailcow keeps in Redis, `{time, priority, message}` of netfilter or `{time, program, priority,
 * message}` of its syslog-ng, as the line that the program prints: with its level or program in front again, so that a
 * parser can hold it against them. Undefined for anything else. A line break in a message stays inside its record.
 */
export function recordText(record: unknown): string | undefined {
  if (typeof record !== 'object' || record === null) return undefined;
  const { message, priority, program } = record as Record<string, unknown>;
  if (typeof message !== 'string') return undefined;
  const said = message.replace(/\r?\n$/, '');
  if (typeof program === 'string' && /^[\w./-]{1,64}$/.test(program))
    return `Jan  1 00:00:00 host ${program}[0]: ${said}`;
  if (program !== undefined || typeof priority !== 'string' || !/^(?:crit|warn|info)$/.test(priority)) return undefined;
  return `1970-01-01 00:00:00 ${priority.toUpperCase()}: ${said}`;
}

/** Time of a record in ms since the epoch; a number with netfilter, text with syslog-ng. */
export function recordTime(record: unknown): number | undefined {
  const time = typeof record === 'object' && record !== null && 'time' in record ? record.time : undefined;
  if (typeof time !== 'number' && !(typeof time === 'string' && /^\d{1,11}$/.test(time))) return undefined;
  const ms = Number(time) * 1000;
  return Number.isFinite(ms) && ms >= 0 && ms < 1e14 ? ms : undefined;
}
