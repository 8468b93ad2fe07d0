import type { Clock } from '../core/clock.ts';
import { toRfc3339 } from '../core/clock.ts';
import { PermanentError, TransientError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { ContainerSelector, Cursor, LogChunk, LogLine, LogSource } from '../core/watcher.ts';
import { type FoundContainer, findContainers, selectorName } from './discovery.ts';
import { createDockerClient, type DockerClient, explainDockerError } from './docker-client.ts';
import { createFrameDecoder, createRawDecoder } from './frames.ts';
import { createSkipper, LogCursor, toSince } from './log-cursor.ts';

/** How long a container may be away, as in a restart, before the source counts as unreadable. */
const AWAY_MS = 10_000;
/** Between two attempts to read on where a stream was cut. */
const REOPEN_MS = 100;

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
  /** Throws with the reason when the engine does not answer. */
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
    find: (selector) => explained((docker) => findContainers(docker, selector, project)),
    ping: async () => void (await explained((docker) => docker.ping())),
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
    const { clock, socket, project } = this.#options;
    const cursor = new LogCursor(from);
    const finished = new Set<string>();
    try {
      const docker = await this.#connect();
      let awaySince: number | undefined;
      while (!signal.aborted) {
        const found = await findContainers(docker, this.#selector, project, signal);
        const next = this.#choose(found, cursor, finished);
        if (next !== undefined) {
          awaySince = undefined;
          yield* this.#follow(docker, next, cursor, signal);
          if (signal.aborted) return;
          if (!(await isRunning(docker, next.id))) finished.add(next.id);
          await clock.sleep(REOPEN_MS, signal);
          continue;
        }
        awaySince ??= clock.now();
        if (clock.now() - awaySince >= AWAY_MS) throw this.#away(found);
        await clock.sleep(REOPEN_MS * 5, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      throw explainDockerError(error, socket);
    }
  }

  /** What to read now: first the rest of a stopped container that was being read, then the one that runs. */
  #choose(found: readonly FoundContainer[], cursor: LogCursor, finished: Set<string>): FoundContainer | undefined {
    for (const { id, isRunning } of found) if (isRunning) finished.delete(id);
    const stopped = found.filter(({ id, isRunning }) => !isRunning && !finished.has(id) && cursor.placeOf(id));
    return stopped.at(-1) ?? found.find((container) => container.isRunning);
  }

  #away(found: readonly FoundContainer[]): TransientError {
    const [newest] = found;
    if (newest === undefined) return new TransientError(`there is no container of ${this.name}`);
    return new TransientError(`the container ${newest.name} does not run: ${newest.status}`);
  }

  /** Reads one container until its stream ends, for whatever reason. */
  async *#follow(
    docker: DockerClient,
    container: FoundContainer,
    cursor: LogCursor,
    signal: AbortSignal,
  ): AsyncIterable<LogChunk> {
    const { clock, lookBackMs = 600_000 } = this.#options;
    const handle = docker.getContainer(container.id);
    const { Config, State } = await handle.inspect({ abortSignal: signal });
    const place = cursor.placeOf(container.id);
    // A container that is new since the cursor was kept is read from the last line of the one before it.
    const since = place?.stamp ?? cursor.newest ?? toRfc3339(clock.now() - lookBackMs);
    const stream = (await handle.logs({
      follow: true,
      stdout: true,
      stderr: true,
      timestamps: true,
      since: toSince(since),
      abortSignal: signal,
    })) as NodeJS.ReadableStream & { destroy(): void };
    const decoder = Config.Tty ? createRawDecoder() : createFrameDecoder();
    const skipSeen = createSkipper(place);
    if (State.Running) yield { lines: [] };
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        const decoded: LogLine[] = [];
        decoder.decode(chunk, decoded);
        const lines = skipSeen(decoded);
        if (lines.length === 0) continue;
        cursor.advance(container.id, lines);
        yield { lines, cursor: cursor.toString() };
      }
    } catch (error) {
      // A cut is the normal case: proxies end quiet streams, engines restart. Whatever it is, the next call tells.
      if (error instanceof PermanentError) throw error;
    } finally {
      stream.destroy();
    }
  }
}

async function isRunning(docker: DockerClient, id: string): Promise<boolean> {
  try {
    return (await docker.getContainer(id).inspect()).State.Running;
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return false;
    throw error;
  }
}
