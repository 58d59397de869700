import { Pool, types } from "pg";

// Prisma stores UTC in `timestamp` columns, without a zone. node-postgres would read them in the machine's own zone.
const TIMESTAMP = 1114;
types.setTypeParser(TIMESTAMP, (text) => new Date(`${text.replace(" ", "T")}Z`));

// One pool per process: in development each reload evaluates this module again.
const kept = globalThis as typeof globalThis & { pool?: Pool };
export const pool = (kept.pool ??= new Pool({ connectionString: process.env.DATABASE_URL, max: 10 }));

/** What a `timestamp` column takes: UTC, whatever the machine's zone is. */
export const utc = (date: Date) => date.toISOString();
