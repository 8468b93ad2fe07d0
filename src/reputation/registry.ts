import type { ReputationDefinition } from '../core/reputation.ts';
import { abuseipdbSource } from './abuseipdb.ts';
import { dnsblSource } from './dnsbl.ts';
import { networksSource } from './networks.ts';

/** Everybody who can be asked about addresses: the `reputation` of the configuration follows from this list. */
export const reputationDefinitions = [abuseipdbSource, dnsblSource, networksSource] as const satisfies readonly Pick<
  ReputationDefinition,
  'type' | 'summary' | 'options'
>[];
