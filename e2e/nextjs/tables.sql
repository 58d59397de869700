-- What PREDECESSOR says of the web app's tables, as far as the example app touches them, made as Prisma makes them.
CREATE TYPE "EntitlementStatus" AS ENUM ('none', 'active', 'revoked');
CREATE TYPE "ProEntitlementStatus" AS ENUM ('active', 'revoked');
CREATE TYPE "ProEntitlementSource" AS ENUM ('manual', 'app_store', 'play_store', 'promo');
CREATE TYPE "BillingProvider" AS ENUM ('manual', 'stripe', 'ios_iap', 'android_iap');
CREATE TYPE "BillingPlanType" AS ENUM ('one_time', 'subscription');

CREATE TABLE "User" (
  id text PRIMARY KEY, email text NOT NULL UNIQUE, "displayName" text, role text NOT NULL DEFAULT 'user',
  "deletedAt" timestamp(3), "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" timestamp(3) NOT NULL
);
CREATE TABLE "Session" (
  id text PRIMARY KEY, "sessionToken" text NOT NULL UNIQUE,
  "userId" text NOT NULL REFERENCES "User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
  expires timestamp(3) NOT NULL, "lastActiveAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "ipAddress" text, "userAgent" text,
  "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" timestamp(3) NOT NULL
);
CREATE TABLE "ProEntitlement" (
  id text PRIMARY KEY, "userId" text NOT NULL UNIQUE REFERENCES "User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
  status "ProEntitlementStatus" NOT NULL, source "ProEntitlementSource" NOT NULL DEFAULT 'manual', "externalId" text,
  "restoredAt" timestamp(3), "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" timestamp(3) NOT NULL
);
CREATE TABLE "BillingEntitlementProjection" (
  id text PRIMARY KEY, "userId" text NOT NULL REFERENCES "User" (id) ON DELETE CASCADE ON UPDATE CASCADE,
  "productKey" text NOT NULL, "planType" "BillingPlanType" NOT NULL, status "EntitlementStatus" NOT NULL, provider "BillingProvider",
  "providerCustomerId" text, "providerAccountId" text, "activeFrom" timestamp(3), "activeUntil" timestamp(3),
  "periodStart" timestamp(3), "periodEnd" timestamp(3), "autoRenew" boolean, "lastEventId" text, "lastEventType" text,
  version integer NOT NULL DEFAULT 0, "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" timestamp(3) NOT NULL,
  UNIQUE ("userId", "productKey")
);
CREATE TABLE "BillingEventLedger" (
  id text PRIMARY KEY, "eventId" text NOT NULL UNIQUE, "userId" text REFERENCES "User" (id) ON DELETE SET NULL ON UPDATE CASCADE,
  provider "BillingProvider" NOT NULL, "providerEventId" text, "providerTransactionId" text, "idempotencyKey" text UNIQUE,
  "productKey" text, "planType" "BillingPlanType", "eventType" text NOT NULL, "occurredAt" timestamp(3) NOT NULL,
  "receivedAt" timestamp(3) NOT NULL, payload jsonb, "payloadHash" text, "signatureVerified" boolean,
  "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE (provider, "providerEventId")
);
