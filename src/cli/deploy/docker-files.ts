/** The image of a team; `teamFile` is relative to the project. Its data is in the volume. `isElsewhere`: this file is not in the project. */
export function dockerfile({ teamFile, drainMs, isElsewhere }: { readonly teamFile: string; readonly drainMs: number; readonly isElsewhere: boolean }): string {
  const start = ["node", "node_modules/longhaul/bin/longhaul.js", "start", teamFile, "--plain", "--drain", `${drainMs}ms`];
  return `# docker build -t my-team${isElsewhere ? " -f <this file>" : ""} . && docker run -d --init --stop-timeout ${Math.ceil(drainMs / 1_000) + 20} --restart unless-stopped --env-file .env -v my-team:/data my-team
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
