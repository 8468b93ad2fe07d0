/**
 * Parts of the patterns for Postfix's lines. The client's address is always the bracketed one at its fixed place: the name
 * before it is chosen by whoever holds the address, but Postfix takes only what can be a host's name.
 */

/** Two groups: `mail.example.org[192.0.2.1]`, `unknown[IPv6:2001:db8::1]:51234`; postscreen has no name: `[192.0.2.1]:51234`. */
export const CLIENT = String.raw`([^\s[\]<>]{0,255})\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\](?::\d{1,5})?`;

/** Short ids are hexadecimal, long ones have no vowels: `warning` is none. https://www.postfix.org/postconf.5.html#enable_long_queue_ids */
export const QUEUE_ID = '(?:NOQUEUE|[0-9A-HJ-NP-TV-Zb-df-hj-np-tv-z]{4,24}): ';

/**
 * What the client was at: `RCPT`, `END-OF-MESSAGE`, `DATA content`. In capitals: cleanup puts `header` and `body` in the
 * same place, and what the client wrote into them right behind it.
 */
export const STAGE = '(?:[A-Z][A-Z-]{1,20}(?: content)?|connect)';
