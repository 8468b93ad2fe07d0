import { registerHooks } from 'node:module';

/** What dockerode loads for building images and for engines behind SSH: half of its memory and of its start, and unused. */
const UNUSED = new Set(['ssh2', '@grpc/grpc-js', '@grpc/proto-loader']);
const EMPTY = 'cowbell:empty';

/**
 * dockerode without the parts that reading logs never needs. The modules in their place are empty: whoever asks for an
 * engine by SSH gets an error. https://nodejs.org/api/module.html#moduleregisterhooksoptions
 */
export async function loadDockerode(): Promise<typeof import('dockerode')> {
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      UNUSED.has(specifier) ? { url: EMPTY, format: 'commonjs', shortCircuit: true } : next(specifier, context),
    load: (url, context, next) =>
      url === EMPTY ? { format: 'commonjs', source: 'module.exports = {};', shortCircuit: true } : next(url, context),
  });
  try {
    const { default: Dockerode } = await import('dockerode');
    return Dockerode;
  } finally {
    hooks.deregister();
  }
}
