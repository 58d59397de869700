/**
 * What a mirror needs of `@nats-io/transport-node`, in types of our own: nobody who doesn't use a mirror has to install it. It is
 * loaded when a mirror starts, under a name that no bundler follows.
 */

export interface NatsMessage {
  readonly subject: string;
  readonly reply?: string;
  readonly data: Uint8Array;
  readonly headers?: { readonly code: number; readonly description: string; has(name: string): boolean };
  string(): string;
}

export interface NatsConnection {
  closed(): Promise<void | Error>;
  close(): Promise<void>;
  publish(subject: string, payload?: string, options?: { reply?: string }): void;
  request(subject: string, payload?: string, options?: { timeout: number; noMux?: boolean }): Promise<NatsMessage>;
  subscribe(subject: string, options: { callback: (error: Error | null, message: NatsMessage) => void }): unknown;
}

/** `connect` of `@nats-io/transport-node`. */
export type NatsConnect = (options: {
  servers: string[];
  user?: string;
  pass?: string;
  name: string;
  inboxPrefix: string;
  reconnect: boolean;
  timeout: number;
}) => Promise<NatsConnection>;

const TRANSPORT = "@nats-io/transport-node";

export async function loadConnect(): Promise<NatsConnect> {
  try {
    return ((await import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ TRANSPORT)) as { connect: NatsConnect }).connect;
  } catch (cause) {
    throw new Error(`EntitlementMirror needs the package ${TRANSPORT}: npm install ${TRANSPORT}`, { cause });
  }
}

/** Where to connect and as whom: the first address's user and password, which nats.js doesn't take from an address. */
export function addresses(natsUrl: string): { servers: string[]; user?: string; pass?: string } {
  const urls = natsUrl.split(",").map((part) => part.trim()).filter((part) => part !== "");
  if (urls.length === 0 || !urls.every((url) => URL.canParse(url))) {
    throw new TypeError("natsUrl has to be such as nats://user:password@127.0.0.1:4222; several are separated by commas.");
  }
  const parsed = urls.map((url) => new URL(url));
  const servers = parsed.map((url) => `${url.protocol}//${url.host}`);
  const { username, password } = parsed[0]!;
  return username === "" ? { servers } : { servers, user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}
