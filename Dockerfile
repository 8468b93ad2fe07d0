# The base of both stages: any image with Node.js 24 or newer, npm and a shell.
ARG NODE_IMAGE=node:24-alpine

FROM ${NODE_IMAGE} AS build
WORKDIR /build
# Install scripts stay off: the only one fetches the Node.js that checkouts run on, and here the base image has one.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json \
 && npm prune --omit=dev --omit=optional --ignore-scripts \
 && find node_modules \( -name test -o -name tests -o -name '*.test.js' -o -name '*.map' -o -name '*.md' \
      -o -name '*.ts' -o -name '*.cts' -o -name '*.mts' -o -name '*-ipv[46].mmdb' \) -prune -exec rm -rf {} +

FROM ${NODE_IMAGE}
# With a read-only root the state is the one place to write to, also for what `replay` and `demo` keep for seconds.
ENV NODE_ENV=production COWBELL_STATE=/state/cowbell.db TMPDIR=/state
WORKDIR /app
# For people only: `docker compose exec cowbell-mailcow cowbell bans`. The daemon itself needs no shell.
RUN printf '#!/bin/sh\nexec node --disable-warning=ExperimentalWarning /app/dist/main.js "$@"\n' > /usr/local/bin/cowbell \
 && chmod 755 /usr/local/bin/cowbell \
 && mkdir /state && chown 10001:10001 /state
COPY --from=build /build/node_modules node_modules
COPY demo demo
COPY package.json ./
COPY --from=build /build/dist dist
# A number needs no entry in /etc/passwd, and lets Kubernetes see that it is not root.
USER 10001:10001
VOLUME /state
HEALTHCHECK --interval=60s --timeout=10s --start-period=15s \
  CMD ["node", "--disable-warning=ExperimentalWarning", "/app/dist/main.js", "health"]
# A small young generation and one helper thread cost little here, where most of the time is spent waiting, and save memory.
ENTRYPOINT ["node", "--optimize-for-size", "--max-semi-space-size=1", "--v8-pool-size=1", "--disable-warning=ExperimentalWarning", "/app/dist/main.js"]
CMD ["run"]
