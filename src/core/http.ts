import type { Secret } from './secret.ts';

export interface HttpRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: Secret;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  timeoutMs?: number;
  /** Read so much of the answer, where the usual cap of the client is too little; at most 16 MiB. */
  maxBodyBytes?: number;
}

export interface HttpResponse {
  status: number;
  /** Names in lower case; repeated headers joined by a comma. */
  headers: Record<string, string>;
  /** Cut at the client's cap, or at the request's own. */
  body: string;
  /** There was more of it. */
  isCut?: boolean;
}

/**
 * HTTP out: http and https only, certificates checked, redirects not followed, bounded in time and in what is read back.
 * `send` resolves with any answer whatever its status, and throws `TransientError` when there is none.
 */
export interface HttpClient {
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
}
