/** Server-Sent Events, read from the chunks of a body as they come. */

export interface ServerEvent {
  readonly type: string;
  readonly data: string;
}

/** Far more than an entitlement has; whoever sends more without an end isn't our server. */
const MOST_CHARACTERS = 64 * 1024;

/** Takes text in any pieces; calls `onEvent` for each whole event. Throws when an event has no end. */
export function eventParser(onEvent: (event: ServerEvent) => void): (text: string) => void {
  let rest = "";
  let afterReturn = false; // the last piece ended with \r: a \n that follows belongs to it
  let type = "";
  let data: string[] = [];
  let length = 0;

  function line(text: string): void {
    if (text === "") {
      if (data.length > 0) onEvent({ type: type || "message", data: data.join("\n") });
      type = "";
      data = [];
      length = 0;
      return;
    }
    const colon = text.indexOf(":");
    if (colon === 0) return; // a comment: the server's sign of life
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") type = value;
    else if (field === "data") {
      data.push(value);
      length += value.length + 1;
    }
  }

  return (text) => {
    if (text === "") return;
    if (afterReturn && text.startsWith("\n")) text = text.slice(1);
    afterReturn = text.endsWith("\r");
    const lines = (rest + text).split(/\r\n|\n|\r/);
    rest = lines.pop()!;
    for (const each of lines) line(each);
    if (rest.length + length > MOST_CHARACTERS) throw new RangeError("an event of the stream is too long");
  };
}

/** Reads a body to its end. `onChunk` is called for every sign of life, comments included. */
export async function readEvents(body: ReadableStream<Uint8Array>, onEvent: (event: ServerEvent) => void, onChunk: () => void): Promise<void> {
  const decoder = new TextDecoder();
  const parse = eventParser(onEvent);
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onChunk();
      parse(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => undefined); // closes the connection when it was we who stopped
  }
}
