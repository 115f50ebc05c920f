import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface ReceivedMessage {
  readonly atMs: number;
  readonly title: string;
  readonly details: string;
}

export interface WebhookReceiver {
  readonly url: string;
  readonly messages: readonly ReceivedMessage[];
  close(): void;
}

/** Takes the place of a chat or pager: keeps what is posted to it. */
export async function openWebhookReceiver(): Promise<WebhookReceiver> {
  const messages: ReceivedMessage[] = [];
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { title, details } = JSON.parse(await text(request)) as { readonly title: string; readonly details: string };
    messages.push({ atMs: Date.now(), title, details });
    response.writeHead(204).end();
  };
  const server = createServer((request, response) => {
    receive(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`,
    messages,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
