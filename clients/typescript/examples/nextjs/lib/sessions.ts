import { randomBytes, randomUUID } from "node:crypto";
import type { Adapter, AdapterSession, AdapterUser } from "next-auth/adapters";
import { pool, utc } from "@/lib/database";

const SESSION_DAYS = 30;
export const SESSION_SECONDS = SESSION_DAYS * 24 * 60 * 60;

type Row = { id: string; email: string; sessionToken: string; userId: string; expires: Date };
const userOf = ({ id, email }: Pick<Row, "id" | "email">): AdapterUser => ({ id, email, emailVerified: null });
const sessionOf = ({ sessionToken, userId, expires }: Row): AdapterSession => ({ sessionToken, userId, expires });

const FIND = `
  SELECT s."sessionToken", s."userId", s.expires, u.id, u.email
  FROM "Session" s JOIN "User" u ON u.id = s."userId"
  WHERE s."sessionToken" = $1 AND u."deletedAt" IS NULL`;

/** The part of next-auth's adapter that sessions need, over the tables "User" and "Session". */
export const sessions: Adapter = {
  async getSessionAndUser(sessionToken) {
    const { rows } = await pool.query<Row>(FIND, [sessionToken]);
    return rows[0] ? { session: sessionOf(rows[0]), user: userOf(rows[0]) } : null;
  },
  async updateSession({ sessionToken, expires }) {
    await pool.query('UPDATE "Session" SET expires = $2, "lastActiveAt" = $3, "updatedAt" = $3 WHERE "sessionToken" = $1', [
      sessionToken,
      expires && utc(expires),
      utc(new Date()),
    ]);
    return null;
  },
  async deleteSession(sessionToken) {
    await pool.query('DELETE FROM "Session" WHERE "sessionToken" = $1', [sessionToken]);
  },
};

/** A new session of a user: what the cookie holds, and until when. */
export async function openSession(userId: string, userAgent: string | null) {
  const sessionToken = randomBytes(32).toString("hex");
  const now = new Date();
  const expires = new Date(now.getTime() + SESSION_SECONDS * 1000);
  await pool.query(
    `INSERT INTO "Session" (id, "sessionToken", "userId", expires, "lastActiveAt", "userAgent", "createdAt", "updatedAt")
     VALUES ($1, $2, $3, $4, $5, $6, $5, $5)`,
    [randomUUID(), sessionToken, userId, utc(expires), utc(now), userAgent],
  );
  return { sessionToken, expires };
}

/** The id of the user with this e-mail address, who is made if there is none; null for a deleted account. */
export async function findOrCreateUser(email: string) {
  const { rows } = await pool.query<{ id: string; deletedAt: Date | null }>(
    `INSERT INTO "User" (id, email, "displayName", "createdAt", "updatedAt") VALUES ($1, $2, $3, $4, $4)
     ON CONFLICT (email) DO UPDATE SET "updatedAt" = EXCLUDED."updatedAt"
     RETURNING id, "deletedAt"`,
    [randomUUID(), email, email.split("@")[0], utc(new Date())],
  );
  return rows[0] && !rows[0].deletedAt ? rows[0].id : null;
}

/** The user's row; sessions go with it. */
export async function deleteUser(userId: string) {
  await pool.query('DELETE FROM "User" WHERE id = $1', [userId]);
}
