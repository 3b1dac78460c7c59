#!/usr/bin/env node
// Verifies a webhook with the Standard Webhooks reference library for JavaScript: the secret is the first argument, the
// request comes on standard input as JSON {"headers": {...}, "body": "..."}. Prints "verified" and the id, or why not.
"use strict";

const { readFileSync } = require("node:fs");
const { Webhook } = require("standardwebhooks");

try {
  if (process.argv.length !== 3) {
    throw new Error("usage: verify.js SECRET < REQUEST");
  }
  const { headers, body } = JSON.parse(readFileSync(0, "utf8"));
  new Webhook(process.argv[2]).verify(body, headers);
  console.log("verified", headers["webhook-id"]);
} catch (error) {
  console.error("refused:", error.message);
  process.exitCode = 1;
}
