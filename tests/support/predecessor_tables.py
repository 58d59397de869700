"""The tables of the existing web app, as PREDECESSOR.md names them (Prisma's types and quoting)."""

from __future__ import annotations

TABLES = """
CREATE TYPE "ProEntitlementStatus" AS ENUM ('active', 'revoked');
CREATE TYPE "ProEntitlementSource" AS ENUM ('manual', 'app_store', 'play_store', 'promo');
CREATE TYPE "BillingPlanType" AS ENUM ('one_time', 'subscription');
CREATE TYPE "BillingEntitlementStatus" AS ENUM ('none', 'active', 'revoked');
CREATE TYPE "BillingProvider" AS ENUM ('manual', 'stripe', 'ios_iap', 'android_iap');
CREATE TYPE "BillingEventType" AS ENUM ('purchase_initiated', 'purchase_succeeded', 'purchase_failed', 'refund_issued',
    'chargeback_opened', 'chargeback_won', 'chargeback_lost', 'entitlement_granted', 'entitlement_revoked',
    'restore_requested', 'restore_succeeded', 'restore_failed');
CREATE TABLE "User" (
    id text PRIMARY KEY, email text NOT NULL UNIQUE, "displayName" text, role text NOT NULL DEFAULT 'user',
    "deletedAt" timestamp(3), "createdAt" timestamp(3) NOT NULL DEFAULT now(), "updatedAt" timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "Session" (
    id text PRIMARY KEY, "sessionToken" text NOT NULL UNIQUE, "userId" text NOT NULL REFERENCES "User" ON DELETE CASCADE,
    expires timestamp(3) NOT NULL, "lastActiveAt" timestamp(3), "ipAddress" text, "userAgent" text,
    "createdAt" timestamp(3) NOT NULL DEFAULT now(), "updatedAt" timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "ProEntitlement" (
    id text PRIMARY KEY, "userId" text NOT NULL UNIQUE REFERENCES "User" ON DELETE CASCADE,
    status "ProEntitlementStatus" NOT NULL, source "ProEntitlementSource" NOT NULL DEFAULT 'manual', "externalId" text,
    "restoredAt" timestamp(3), "createdAt" timestamp(3) NOT NULL, "updatedAt" timestamp(3) NOT NULL);
CREATE TABLE "BillingEntitlementProjection" (
    id text PRIMARY KEY, "userId" text NOT NULL REFERENCES "User" ON DELETE CASCADE, "productKey" text NOT NULL,
    "planType" "BillingPlanType" NOT NULL DEFAULT 'one_time', status "BillingEntitlementStatus" NOT NULL,
    provider "BillingProvider", "providerCustomerId" text, "providerAccountId" text, "activeFrom" timestamp(3),
    "activeUntil" timestamp(3), "periodStart" timestamp(3), "periodEnd" timestamp(3), "autoRenew" boolean,
    "lastEventId" text, "lastEventType" "BillingEventType", version integer NOT NULL DEFAULT 1,
    "createdAt" timestamp(3) NOT NULL, "updatedAt" timestamp(3) NOT NULL, UNIQUE ("userId", "productKey"));
CREATE TABLE "BillingEventLedger" (
    id text PRIMARY KEY, "eventId" text NOT NULL UNIQUE, "userId" text REFERENCES "User" ON DELETE SET NULL,
    provider "BillingProvider" NOT NULL, "providerEventId" text NOT NULL, "providerTransactionId" text,
    "idempotencyKey" text NOT NULL UNIQUE, "productKey" text NOT NULL, "planType" "BillingPlanType" NOT NULL DEFAULT 'one_time',
    "eventType" "BillingEventType" NOT NULL, "occurredAt" timestamp(3) NOT NULL, "receivedAt" timestamp(3) NOT NULL,
    payload jsonb NOT NULL, "payloadHash" text NOT NULL, "signatureVerified" boolean NOT NULL DEFAULT true,
    "createdAt" timestamp(3) NOT NULL DEFAULT now(), UNIQUE (provider, "providerEventId"));
CREATE TABLE "BillingProductMapping" (
    id text PRIMARY KEY, provider "BillingProvider" NOT NULL, "providerProductId" text NOT NULL, "productKey" text NOT NULL,
    "planType" "BillingPlanType" NOT NULL, active boolean NOT NULL, "createdAt" timestamp(3) NOT NULL DEFAULT now(),
    "updatedAt" timestamp(3) NOT NULL DEFAULT now(), UNIQUE (provider, "providerProductId"));
"""
