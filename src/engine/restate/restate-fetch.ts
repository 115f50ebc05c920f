import { createEndpointHandler } from "@restatedev/restate-sdk/fetch";
import { restateServices, type ServicesOptions } from "./restate-services.ts";

/** Answers one request of Restate. */
export type FetchHandler = (request: Request) => Promise<Response>;

export interface FetchEndpointOptions extends ServicesOptions {
  /** Public keys of the Restate servers that may call; others are refused. None: whoever reaches the address. */
  readonly identityKeys: readonly string[];
}

/** The services of a team where there is no server of our own: each request carries a run as far as it comes, and Restate calls again when it can go on. */
export function createFetchEndpoint({ identityKeys, ...options }: FetchEndpointOptions): FetchHandler {
  const answer = createEndpointHandler({ services: [...restateServices(options)], logger: () => undefined, ...(identityKeys.length === 0 ? {} : { identityKeys: [...identityKeys] }) });
  return async (request) => {
    const { status, headers, body } = await answer(request);
    // As a whole: what tells Restate that a run may go on must not be there before it is noted that nothing crashed.
    const bytes = body === null ? null : await new Response(body).arrayBuffer();
    const invocationId = request.headers.get("x-restate-invocation-id");
    if (invocationId !== null) await options.handler.noted(invocationId);
    return new Response(bytes, { status, headers });
  };
}
