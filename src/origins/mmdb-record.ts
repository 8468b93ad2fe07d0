import type { Origin } from '../core/origin.ts';
import { safeText } from '../core/text.ts';
import type { Value } from './mmdb-data.ts';

const LONGEST_NAME = 64;
/** Of addresses that are nowhere. */
const NO_COUNTRIES = ['ZZ', 'XX'];

/**
 * What the makers of databases call what we want. MaxMind and DB-IP: `country` and `registered_country` with an
 * `iso_code`, `autonomous_system_…`, in some editions under `traits`. IPinfo: `country` or, where that is the whole name,
 * `country_code`; `asn` as `AS15169`, `as_name` or `name`. ip-location-db: `country_code`.
 */
const KEYS = new Set([
  'country',
  'registered_country',
  'iso_code',
  'country_code',
  'traits',
  'autonomous_system_number',
  'autonomous_system_organization',
  'asn',
  'as_name',
  'name',
]);

export function isWantedKey(key: string): boolean {
  return KEYS.has(key);
}

/** Where a record says that an address is from, whoever made the database; empty if it says nothing that we know. */
export function originOfRecord(record: Value): Origin {
  const { country, registered_country: registered, country_code: code, traits, ...rest } = fieldsOf(record);
  const network = { ...fieldsOf(traits), ...rest };
  // Where it is, else where it is registered: not every maker says both.
  const found = [code, fieldsOf(country).iso_code, country, fieldsOf(registered).iso_code].find(isCountry);
  const asn = numberOf(network.autonomous_system_number ?? network.asn);
  const name = network.autonomous_system_organization ?? network.as_name ?? network.name;
  const asName = typeof name === 'string' ? safeText(name, LONGEST_NAME) : '';
  return {
    ...(found !== undefined && { country: found }),
    ...(asn !== undefined && { asn }),
    ...(asn !== undefined && asName !== '' && { asName }),
  };
}

function fieldsOf(value: Value | undefined): Record<string, Value> {
  const isMap = typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array);
  return isMap ? value : {};
}

function isCountry(value: Value | undefined): value is string {
  return typeof value === 'string' && /^[A-Z]{2}$/.test(value) && !NO_COUNTRIES.includes(value);
}

/** 32 bits at most; 0 is nobody's. https://www.iana.org/assignments/as-numbers */
function numberOf(value: Value | undefined): number | undefined {
  const number = typeof value === 'string' ? Number(/^(?:AS)?(\d{1,10})$/.exec(value)?.[1]) : Number(value);
  return Number.isInteger(number) && number > 0 && number < 2 ** 32 ? number : undefined;
}
