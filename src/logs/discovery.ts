import { readFileSync } from 'node:fs';
import { TransientError } from '../core/errors.ts';
import type { ContainerSelector } from '../core/watcher.ts';
import type { DockerClient } from './docker-client.ts';

const SERVICE = 'com.docker.compose.service';
const PROJECT = 'com.docker.compose.project';

export interface FoundContainer {
  id: string;
  name: string;
  /** False while the engine waits before it starts a container again that keeps failing. */
  isRunning: boolean;
  /** ms since the epoch. */
  createdAt: number;
  /** `Exited (2) 3 seconds ago`. */
  status: string;
}

/** Containers that a selector means, running and stopped, our own left out; the newest first. */
export async function findContainers(
  docker: DockerClient,
  selector: ContainerSelector,
  project: string | undefined,
  signal?: AbortSignal,
): Promise<FoundContainer[]> {
  const filters =
    selector.container === undefined
      ? { label: [`${SERVICE}=${selector.service ?? ''}`, ...(project === undefined ? [] : [`${PROJECT}=${project}`])] }
      : { name: [selector.container] };
  const listed = await docker.listContainers({ all: true, filters, ...(signal && { abortSignal: signal }) });
  if (!Array.isArray(listed))
    throw new TransientError('what answers is no Docker Engine: its list of containers is none');
  const own = ownContainerId();
  return (
    listed
      .filter((container) => container.Id !== own)
      // The engine's filter takes any name that has this one in it.
      .filter(({ Names }) => selector.container === undefined || Names.includes(`/${selector.container}`))
      .map((container) => ({
        id: container.Id,
        name: (container.Names[0] ?? container.Id.slice(0, 12)).replace(/^\//, ''),
        isRunning: container.State === 'running',
        createdAt: container.Created * 1000,
        status: container.Status,
      }))
  );
}

/** `netfilter-mailcow`, as messages name what is looked for. */
export function selectorName({ service, container }: ContainerSelector, project: string | undefined): string {
  if (container !== undefined) return `container "${container}"`;
  return `service "${service}"${project === undefined ? '' : ` of project "${project}"`}`;
}

/** The id of the container that we run in; undefined outside of one. */
export function ownContainerId(mountinfo = readMountinfo()): string | undefined {
  // The engine mounts these files of its own into each container; on the host, other things of containers are mounted.
  return /\/containers\/([0-9a-f]{64})\/\S+ \/etc\/(?:hostname|hosts|resolv\.conf) /.exec(mountinfo)?.[1];
}

function readMountinfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}
