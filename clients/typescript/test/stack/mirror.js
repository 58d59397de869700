// A mirror for tests that break its broker: one JSON command a line, one JSON answer a line. `EntitlementMirror` at ATLAS_NATS.
import { createInterface } from "node:readline";

import { EntitlementMirror } from "@atlas/billing/server";

const told = [];
const mirror = new EntitlementMirror(process.env.ATLAS_NATS, { log: (line) => console.error(line) });
mirror.onChange(() => {
  throw new Error("a defect of the service");
});
mirror.onChange(async (state) => void told.push([state.userId, state.version, state.isPro]));

const commands = {
  start: async ({ timeoutMs }) => await mirror.start(timeoutMs ? { timeoutMs } : {}).then(() => "started", (error) => error.message),
  stop: async () => void (await mirror.stop()),
  told: () => told.splice(0),
  // Of each user asked for: version, whether they are Pro by both ways of asking, and the reason.
  look: ({ users }) => {
    const found = users.map((user) => [user, mirror.get(user)]).filter(([, state]) => state !== undefined);
    return {
      current: mirror.current,
      size: mirror.size,
      users: Object.fromEntries(found.map(([user, state]) => [user, [state.version, state.isPro && mirror.isPro(user), state.reason]])),
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...given } = JSON.parse(line);
  console.log(JSON.stringify((await commands[name](given)) ?? null));
}
await mirror.stop();
