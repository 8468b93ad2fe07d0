import { createRequire } from 'node:module';

/** Countries of IPv4 and IPv6, from what the registries and the networks themselves publish: docs/enrichment.md. */
const SHIPPED = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb';

/** Where the database that comes with cowbell is. Throws if it was not installed. */
export function shippedDatabase(): string {
  return createRequire(import.meta.url).resolve(SHIPPED);
}
