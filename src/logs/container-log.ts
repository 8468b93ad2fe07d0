import type { Clock } from '../core/clock.ts';
import { TransientError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { ContainerSelector, Cursor, Exec, LogChunk, LogSource } from '../core/watcher.ts';
import { type FoundContainer, findContainers, selectorName } from './discovery.ts';
import { askEngine, createDockerClient, type DockerClient, explainDockerError } from './docker-client.ts';
import { execIn } from './exec.ts';
import { LogCursor, resumeAt } from './log-cursor.ts';
import { type Attachment, readContainer } from './read-container.ts';

/** How long a container may be away, as in a restart, before the source counts as unreadable. */
const AWAY_MS = 10_000;
/** Between two attempts to read on where a stream was cut. */
const REOPEN_MS = 100;
/** A stream that ends sooner, and had no line, was of no use. */
const USEFUL_MS = 1_000;
const MOST_USELESS = 20;

export interface ContainerLogOptions {
  socket: string;
  project?: string | undefined;
  clock: Clock;
  logger: Logger;
  /** How far back reading begins where there is no cursor yet. */
  lookBackMs?: number;
}

/** The logs of containers by the Docker Engine; the only place that speaks to it. */
export interface ContainerLogs {
  source(selector: ContainerSelector): LogSource;
  /** Containers that a selector means now. Throws when the engine cannot be asked. */
  find(selector: ContainerSelector): Promise<FoundContainer[]>;
  /** Runs a program in the newest running container that a selector means. */
  exec: Exec;
  /** Of the engine, where it may be asked for it: proxies that filter refuse that. Never throws. */
  version(signal: AbortSignal): Promise<string | undefined>;
  /** Throws with the reason when the engine does not answer, or may not be asked for containers. */
  ping(): Promise<void>;
}

export function createContainerLogs(options: ContainerLogOptions): ContainerLogs {
  const { socket, project } = options;
  let client: Promise<DockerClient> | undefined;
  const connect = () => {
    client ??= createDockerClient(socket);
    return client;
  };
  const explained = async <T>(work: (docker: DockerClient) => Promise<T>): Promise<T> => {
    try {
      return await work(await connect());
    } catch (error) {
      throw explainDockerError(error, socket);
    }
  };
  return {
    source: (selector) => new ContainerLog(selector, options, connect),
    find: (selector) =>
      explained((docker) => askEngine((signal) => findContainers(docker, selector, project, signal), socket)),
    exec: (selector, argv, signal) =>
      explained(async (docker) => {
        const found = await askEngine((limited) => findContainers(docker, selector, project, limited), socket, signal);
        const running = found.find(({ isRunning }) => isRunning);
        if (running === undefined) throw explainAbsence(found, selectorName(selector, project));
        return await execIn(docker, running, argv, socket, signal);
      }),
    version: async (abortSignal) => {
      if (/^(tcp|https?):/.test(socket)) return undefined;
      try {
        // Its types know of no options here.
        const docker = (await connect()) as unknown as { version(options: object): Promise<{ Version?: unknown }> };
        const { Version: version } = await docker.version({ abortSignal });
        return typeof version === 'string' ? version : undefined;
      } catch {
        return undefined;
      }
    },
    ping: async () =>
      void (await explained((docker) =>
        askEngine((abortSignal) => docker.listContainers({ limit: 1, abortSignal }), socket),
      )),
  };
}

/**
 * The log of whatever containers a selector means, in turn: a container that is restarted or made anew under another id
 * is followed on, a stream that is cut is taken up again at the last line, and none of that is a failure.
 */
class ContainerLog implements LogSource {
  readonly name: string;
  readonly #selector: ContainerSelector;
  readonly #options: ContainerLogOptions;
  readonly #connect: () => Promise<DockerClient>;

  constructor(selector: ContainerSelector, options: ContainerLogOptions, connect: () => Promise<DockerClient>) {
    this.name = selectorName(selector, options.project);
    this.#selector = selector;
    this.#options = options;
    this.#connect = connect;
  }

  async *read(from: Cursor | undefined, signal: AbortSignal): AsyncIterable<LogChunk> {
    const { clock, logger, socket } = this.#options;
    const cursor = new LogCursor(from);
    /** Containers that were read in this run, and those among them that have stopped and have nothing left to read. */
    const begun = new Set<string>();
    const finished = new Set<string>();
    let awaySince: number | undefined;
    let useless = 0;
    try {
      const docker = await this.#connect();
      while (!signal.aborted) {
        const found = await this.#find(docker, signal);
        for (const { id, isRunning } of found) if (isRunning) finished.delete(id);
        const next = chooseContainer(
          found,
          (id) => !finished.has(id) && (begun.has(id) || cursor.placeOf(id) !== undefined),
        );
        if (next === undefined) {
          awaySince ??= clock.now();
          if (clock.now() - awaySince >= AWAY_MS) throw explainAbsence(found, this.name);
          await clock.sleep(REOPEN_MS * 5, signal);
          continue;
        }
        if (next.isRunning) awaySince = undefined;
        begun.add(next.id);
        const attachment: Attachment = {
          container: next,
          since: this.#sinceOf(next, cursor),
          cursor,
          isDrained: false,
          hasLines: false,
        };
        const startedAt = clock.now();
        yield* readContainer(docker, attachment, { socket, logger }, signal);
        if (signal.aborted) return;
        if (attachment.isDrained) finished.add(next.id);
        useless = attachment.isDrained || attachment.hasLines || clock.now() - startedAt >= USEFUL_MS ? 0 : useless + 1;
        if (useless >= MOST_USELESS) {
          throw new TransientError(`the log of the container ${next.name} is cut off as soon as it is asked for`);
        }
        await clock.sleep(REOPEN_MS, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      throw explainDockerError(error, socket);
    }
  }

  #find(docker: DockerClient, signal: AbortSignal): Promise<FoundContainer[]> {
    const { project, socket } = this.#options;
    return askEngine((limited) => findContainers(docker, this.#selector, project, limited), socket, signal);
  }

  /** When to begin to read a container, in ms since the epoch. */
  #sinceOf({ id, createdAt }: FoundContainer, cursor: LogCursor): number {
    const { clock, lookBackMs = 600_000 } = this.#options;
    const place = cursor.placeOf(id);
    if (place !== undefined) return resumeAt(place);
    // One that is new since the cursor was kept is read from its first line; one that ran beside what was read, not.
    const { newestAt } = cursor;
    if (newestAt === undefined) return clock.now() - lookBackMs;
    return Math.max(Math.min(createdAt, newestAt), newestAt - lookBackMs);
  }
}

function explainAbsence([newest]: readonly FoundContainer[], name: string): TransientError {
  if (newest === undefined) {
    return new TransientError(`there is no container of ${name}: start it, or name another`);
  }
  return new TransientError(`the container ${newest.name} does not run: ${newest.status}`);
}

/** What to read now: first the rest of a stopped container that was being read, then the newest one that runs. */
function chooseContainer(
  found: readonly FoundContainer[],
  isOwed: (id: string) => boolean,
): FoundContainer | undefined {
  return found.findLast(({ id, isRunning }) => !isRunning && isOwed(id)) ?? found.find(({ isRunning }) => isRunning);
}
