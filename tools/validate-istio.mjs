#!/usr/bin/env node
// Checks Istio objects against the JSON schemas of Istio's CRDs.
//
// usage: PALISADE_NODE_MODULES=DIR/node_modules validate-istio.mjs FILE...
//
// Each FILE is a YAML stream or JSON. Every error is printed on a line of its own:
//     FILE: document 2: Gateway shop/web: /spec/servers/0/port: must have property number
// Objects of other groups are passed over (validate-kubernetes.py checks them). The last line
// counts both. Exit code 0: all valid; 1: errors; 2: wrong usage.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.env.PALISADE_NODE_MODULES;
const files = process.argv.slice(2);
if (!modules || files.length === 0) {
  console.error("usage: PALISADE_NODE_MODULES=DIR/node_modules validate-istio.mjs FILE...");
  process.exit(2);
}
const root = resolve(modules);
const { parseAllDocuments } = createRequire(join(root, "x.js"))("yaml");

// The schemas let unknown fields pass, the API server's strict field validation does not. A
// validator reads each field that its schema names, and all of them where any name is allowed: a
// field that it never reads is unknown.
function watched(value, path, unread) {
  if (value === null || typeof value !== "object") return value;
  const known = new Map();
  for (const key of Object.keys(value)) {
    const at = `${path}/${key}`;
    if (!Array.isArray(value)) unread.add(at);
    known.set(key, { at, value: watched(value[key], at, unread) });
  }
  return new Proxy(value, {
    get(target, key) {
      if (!known.has(key)) return Reflect.get(target, key);
      unread.delete(known.get(key).at);
      return known.get(key).value;
    },
    ownKeys(target) {
      for (const { at } of known.values()) unread.delete(at);
      return Reflect.ownKeys(target);
    },
  });
}

function describe(error) {
  const { keyword, params = {} } = error;
  if (keyword === "required") return `must have property ${params.missingProperty}`;
  if (keyword === "enum") return `must be one of ${params.allowedValues.join(", ")}`;
  return error.message ?? `${keyword} ${JSON.stringify(params)}`;
}

function schemaFile(apiVersion, kind) {
  const camel = apiVersion.split(/[./]/).map((part) => part[0].toUpperCase() + part.slice(1));
  return join(root, "@kubernetes-models/istio/_schemas", `${camel.join("")}${kind}.js`);
}

// The errors of one object, or null if it belongs to another group.
async function check(object) {
  if (object === null || typeof object !== "object") return ["not an object"];
  const { apiVersion, kind } = object;
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    return ["apiVersion and kind must be strings"];
  }
  if (!/^[a-z]+\.istio\.io\/[a-z0-9]+$/.test(apiVersion)) return null;
  const file = schemaFile(apiVersion, kind);
  if (!/^[A-Za-z]+$/.test(kind) || !existsSync(file)) return [`no ${kind} in ${apiVersion}`];
  const { validate } = await import(pathToFileURL(file));
  const unread = new Set();
  validate(watched(object, "", unread));
  const found = (validate.errors ?? []).map((e) => `${e.instancePath || "/"}: ${describe(e)}`);
  // Below an unknown field everything is unread: the topmost says it all. Below a value of the
  // wrong type the error says it already.
  const wrong = (validate.errors ?? []).map((e) => e.instancePath);
  for (const at of unread) {
    const parent = at.slice(0, at.lastIndexOf("/"));
    const under = (above) => parent === above || parent.startsWith(`${above}/`);
    if ([...unread].some(under) || wrong.some((path) => path !== "" && under(path))) continue;
    found.push(`${at}: unknown field`);
  }
  const { namespace, name: own } = object.metadata ?? {};
  const name = [namespace, own].filter(Boolean).join("/");
  return [...new Set(found)].map((line) => `${kind} ${name}: ${line}`);
}

let [valid, errors, passedOver] = [0, 0, 0];
for (const file of files) {
  let documents;
  try {
    documents = parseAllDocuments(readFileSync(file, "utf8"), { version: "1.1" });
  } catch (error) {
    console.log(`${file}: ${error.message}`);
    errors += 1;
    continue;
  }
  for (const [index, document] of documents.entries()) {
    const where = `${file}: document ${index + 1}`;
    const broken = document.errors.map((error) => error.message.split("\n")[0]);
    const object = broken.length === 0 ? document.toJS() : undefined;
    if (broken.length === 0 && object === null) continue;
    const found = broken.length === 0 ? await check(object) : broken;
    if (found === null) passedOver += 1;
    else if (found.length === 0) valid += 1;
    else errors += found.length;
    for (const line of found ?? []) console.log(`${where}: ${line}`);
  }
}
console.log(`${valid} valid, ${errors} errors, ${passedOver} passed over`);
process.exit(errors > 0 ? 1 : 0);
