export interface ImageOptions {
  /** Of the image and its volume. */
  readonly name: string;
  /** Relative to the project. */
  readonly teamFile: string;
  readonly drainMs: number;
  /** The Dockerfile is not in the project. */
  readonly isElsewhere: boolean;
  /** Of `longhaul start`, besides. */
  readonly options: readonly string[];
  /** Of `docker run`, besides: how Restate reaches the worker of a cluster. */
  readonly network: readonly string[];
}

/** The image of a team. Its data is in the volume. */
export function dockerfile({ name, teamFile, drainMs, isElsewhere, options, network }: ImageOptions): string {
  const start = ["node", "node_modules/longhaul/bin/longhaul.js", "start", teamFile, "--plain", "--drain", `${drainMs}ms`, ...options];
  return `# docker build -t ${name}${isElsewhere ? " -f <this file>" : ""} . && docker run -d --init --stop-timeout ${Math.ceil(drainMs / 1_000) + 20} --restart unless-stopped --env-file .env ${network.map((word) => `${word} `).join("")}-v ${name}:/data ${name}
FROM node:24-slim
ENV NODE_ENV=production LONGHAUL_DATA=/data
WORKDIR /app
COPY package.json package-lock.json* ./
RUN if [ -f package-lock.json ]; then npm ci --omit=dev; else npm install --omit=dev; fi
COPY . .
RUN mkdir -p /data && chown node:node /data
USER node
VOLUME /data
# SIGTERM drains. After the time of --stop-timeout, docker kills; nothing is lost then either, steps under way are made again.
STOPSIGNAL SIGTERM
# Unhealthy also when an agent is: see the states in docs/guide/operating.md.
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s CMD ["node", "node_modules/longhaul/bin/longhaul.js", "health"]
ENTRYPOINT ${JSON.stringify(start).replaceAll('","', '", "')}
`;
}

/** What does not belong into an image, at any depth: what is installed there anew, keys, data, copies of it. `data`: where that is, relative to the project; null: not in it. */
export function dockerignore(data: string | null): string {
  return `# The key of the HTTP interface in a data directory; a folder of your own may be called so.
**/token
!**/token/**
**/node_modules
**/.git
**/*.log
# Keys. They come with --env-file.
**/.env
**/.env.*
**/*.env
**/.npmrc
# Data directories, and copies of them. What your team needs of this, name behind a "!" below.
**/.longhaul
**/*.db
**/*.db-*
**/*.db.*
${data === null ? "" : `/${data.replace(/[\\*?[\]]/g, "\\$&")}\n`}`;
}
