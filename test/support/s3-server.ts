import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What S3 does with conditional puts, and no more, on a free port of this computer. */
export interface S3Server {
  readonly endpoint: string;
  /** Objects by `bucket/key`. */
  readonly objects: Map<string, Uint8Array>;
  /** Headers of the requests that came. */
  readonly requests: IncomingMessage['headers'][];
  /** How often the next puts are answered that another one of the same key is under way. */
  conflicts: number;
  stop(): Promise<void>;
}

/**
 * A stand-in for S3: its paths, its statuses, its errors in XML.
 *
 * @source https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export async function startS3(): Promise<S3Server> {
  const objects = new Map<string, Uint8Array>();
  const requests: IncomingMessage['headers'][] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const key = decodeURIComponent(new URL(request.url ?? '', 'http://s3').pathname.slice(1));
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    requests.push(request.headers);
    const fail = (status: number, code: string): void => {
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
    };
    if (request.method !== 'PUT') fail(405, 'MethodNotAllowed');
    else if (!request.headers.authorization?.includes('AWS4-HMAC-SHA256')) fail(403, 'AccessDenied');
    else if (key.startsWith('no-bucket/')) fail(404, 'NoSuchBucket');
    else if (found.conflicts-- > 0) fail(409, 'ConditionalRequestConflict');
    else if (request.headers['if-none-match'] === '*' && objects.has(key)) fail(412, 'PreconditionFailed');
    else {
      objects.set(key, new Uint8Array(Buffer.concat(chunks)));
      response.writeHead(200, { etag: '"0"' }).end();
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const found: S3Server = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    requests,
    conflicts: 0,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return found;
}
