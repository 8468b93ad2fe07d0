import type { z } from 'zod';
import type { Clock } from './clock.ts';
import type { HttpClient } from './http.ts';
import type { Logger } from './logger.ts';
import type { Network } from './network.ts';
import type { Observation, Statement } from './observation.ts';
import type { Secret } from './secret.ts';

/** Where a source is to be resumed: opaque text that only the source that made it can read. */
export type Cursor = string;

/** One line of a log. */
export interface LogLine {
  /** RFC 3339 with the source's full precision, `2026-11-23T11:54:15.934288306Z`. */
  stamp: string;
  /** Without its line end; never longer than the source's limit, invalid UTF-8 replaced. */
  text: string;
}

/** Lines in order, and the cursor behind the last of them. A chunk without lines says: I am reading, all is quiet. */
export interface LogChunk {
  lines: readonly LogLine[];
  cursor?: Cursor;
  /** Lines in front of these were lost before they could be read: what happened, for a person. */
  missed?: string;
}

/**
 * Gives log lines from a cursor on, each exactly once, until `signal` aborts. Throws `TransientError` when the source
 * cannot be read now and `PermanentError` when it never can; never retries. A file that was read to its end returns.
 */
export interface LogSource {
  readonly name: string;
  read(from: Cursor | undefined, signal: AbortSignal): AsyncIterable<LogChunk>;
}

/** The whole truth about the bans of some jails at one moment. */
export interface Snapshot {
  /** When reading began, in ms since the epoch. */
  at: number;
  /** The jails that this is complete for: a ban of theirs that is not listed does not stand. */
  jails: readonly string[];
  bans: readonly { jail: string; network: Network /** ms since the epoch. */; until?: number }[];
  /** What the admin has denied or allowed for good, complete: networks, and host names as typed. Left out where unknown. */
  denylist?: readonly string[];
  allowlist?: readonly string[];
  /** Why the bans that are missing were all dropped, where the source saw that netfilter restarted since its last look. */
  cleared?: string;
}

/** Health of something that a watcher sees from outside, such as netfilter itself. */
export interface HealthReport {
  /** What the report is about: `netfilter`. */
  source: string;
  up: boolean;
  /** For a person: what is wrong, and what it means. */
  reason?: string;
}

/**
 * What a watcher yields: what it saw since the last batch, and the cursor behind it; recorded in one transaction. An
 * empty batch says that the source can be read and has nothing new.
 */
export interface Batch {
  observations: readonly Observation[];
  snapshot?: Snapshot;
  health?: readonly HealthReport[];
  cursor?: Cursor;
  /** How many lines or records were read for it. */
  read?: number;
  /** When the last of them was written, by its own stamp, in ms since the epoch. */
  stampedAt?: number;
}

/** Looks up whether a ban really stands. What it finds arrives as an observation or snapshot of its own watcher. */
export interface Witness {
  /** Whether bans of this jail can be looked up. */
  covers(jail: string): boolean;
  /**
   * Look now, and again within seconds until what is expected is found; then yield `banned` or `unbanned` for it.
   * Returns at once.
   */
  look(jail: string, network: Network, expected: 'banned' | 'unbanned'): void;
}

/** Turns one source into observations. */
export interface Watcher {
  /** Unique among the running watchers; the key of its cursor. */
  readonly name: string;
  /** `log`: hints that may be repeated or forged. `state`: what it says, stands. */
  readonly authority: 'log' | 'state';
  readonly witness?: Witness;
  /**
   * Yields until `signal` aborts; throws `TransientError` or `PermanentError` when the source fails; never retries.
   * One that ends without abort has failed, unless it is a file.
   */
  watch(from: Cursor | undefined, signal: AbortSignal): AsyncIterable<Batch>;
}

/** How a watcher gets at what it reads; built by the composition root from the config. */
export interface WatcherTools {
  clock: Clock;
  logger: Logger;
  http: HttpClient;
  /** The log of the containers of one compose service, or of the one container of that name. */
  containerLog(selector: ContainerSelector): LogSource;
  /** Runs a program in the newest running container that the selector means. */
  exec: Exec;
  /** Where Redis is, if the config names it. */
  redis: RedisAddress | undefined;
  /** Where mailcow's API is, if the config names it. */
  mailcowApi: MailcowApiAddress | undefined;
}

/**
 * Runs `argv` as it is, without a shell. Throws `TransientError` when it cannot be run; any exit code is an answer.
 * Output is cut at 1 MiB each.
 */
export type Exec = (selector: ContainerSelector, argv: readonly string[], signal: AbortSignal) => Promise<ExecResult>;

export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
  /** One of them was longer, and is not whole. */
  isCut: boolean;
}

export interface MailcowApiAddress {
  /** Of the web interface, `https://mail.example.org`, without a path. */
  url: Secret;
  key: Secret;
}

export interface ContainerSelector {
  /** Label `com.docker.compose.service`. */
  service?: string;
  /** Name of a container that compose did not make. */
  container?: string;
}

export interface RedisAddress {
  /** `redis://host:port/db`, `rediss://…` or `unix:///path`; secret, as it may carry a password. */
  url: Secret;
  password?: Secret | undefined;
}

/** One kind of watcher as the registry knows it. */
export interface WatcherDefinition<Options extends z.ZodObject = z.ZodObject> {
  type: string;
  summary: string;
  /** Options of this kind alone; `type`, `name` and `grace_seconds` are common to all. */
  options: Options;
  /** What it reads, and so what must be there for it to be of use; where its options have `from`, by default. */
  reads: 'container' | 'redis' | 'api';
  /** Runs where the config names no watchers and what it reads is there. */
  byDefault: boolean;
  /** List in mailcow's Redis that has the same lines: it can be read in place of the container's log. */
  list?: string;
  /** Whether it tells of bans of this jail. */
  tellsOf(jail: string, options: z.output<Options>): boolean;
  /** What its options come to, for `check`: a line each. */
  describe?: (options: z.output<Options>) => readonly string[];
  /** Opens nothing: no socket, timer or file. */
  create(name: string, options: z.output<Options>, tools: WatcherTools): Watcher;
  /** Tries what it reads, and says what it found, for `check`; throws as `watch` does. Left out where a look is enough. */
  probe?: (options: z.output<Options>, tools: WatcherTools, signal: AbortSignal) => Promise<string>;
  /** What one line says, for `explain` and the forgery corpus; left out by watchers that read no lines. */
  createParser?: (options: z.output<Options>) => (text: string) => Statement | undefined;
  /** What a pasted line may have lost at its front: `explain` tries the line behind each of these too. */
  lostPrefixes?: readonly string[];
  /** The same watcher over another log source: `replay`. */
  createFor?: (name: string, source: LogSource, options: z.output<Options>) => Watcher;
}
