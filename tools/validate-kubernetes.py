#!/usr/bin/env python3
"""Checks Kubernetes objects against the strict JSON schemas of one Kubernetes release.

usage: validate-kubernetes.py FILE...

Each FILE is a YAML stream or JSON. Every error is printed on a line of its own:
    FILE: document 2: NetworkPolicy shop/web: spec.ingress.0.ports.0.port: ...
Istio objects are passed over (validate-istio.mjs checks them); any other kind without a schema is
an error. The last line counts both. Exit code 0: all valid; 1: errors; 2: wrong usage.
"""

import re
import sys

import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

VERSION = "1.37.0"
DIRECTORY = f"kubernetes-json-schema/v{VERSION}-local-strict"


class Loader(yaml.SafeLoader):
    """YAML as the API server's clients read it: a date is a string, a key given twice an error."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


Loader.add_constructor("tag:yaml.org,2002:timestamp", Loader.construct_yaml_str)

VALIDATORS = {}


def validator(api_version, kind):
    """The validator of a kind, or None if the release has no such kind."""
    if (api_version, kind) not in VALIDATORS:
        # networking.k8s.io/v1 is in the files named *-networking-v1.json
        suffix = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
        try:
            schema = schema_contents(f"{DIRECTORY}/{kind.lower()}-{suffix}.json", VERSION)
            definitions = schema_contents(f"{DIRECTORY}/_definitions.json", VERSION)
            registry = Resource.from_contents(schema) @ Registry()
            registry = Resource.from_contents(definitions) @ registry
            VALIDATORS[api_version, kind] = Draft202012Validator(schema, registry=registry)
        except FileNotFoundError:
            VALIDATORS[api_version, kind] = None
    return VALIDATORS[api_version, kind]


def name(document):
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return "/".join(str(metadata[key]) for key in ("namespace", "name") if key in metadata)


def check(document):
    """The errors of one object, or None if it is an Istio object."""
    if not isinstance(document, dict):
        return ["not an object"]
    api_version, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return ["apiVersion and kind must be strings"]
    if api_version.split("/")[0].endswith(".istio.io"):
        return None
    known = validator(api_version, kind)
    if known is None:
        return [f"Kubernetes {VERSION} has no {kind} in {api_version}"]
    found = sorted(known.iter_errors(document), key=lambda error: [str(p) for p in error.path])
    title = f"{kind} {name(document)}"
    return [f"{title}: {'.'.join(str(p) for p in e.path) or '(top)'}: {e.message}" for e in found]


def main(files):
    if not files:
        print(__doc__, file=sys.stderr)
        return 2
    valid = passed_over = errors = 0
    for file in files:
        try:
            with open(file, encoding="utf-8") as stream:
                documents = list(yaml.load_all(stream, Loader=Loader))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            print(f"{file}: {' '.join(str(error).split())}")
            errors += 1
            continue
        for number, document in enumerate(documents, 1):
            if document is None:
                continue
            found = check(document)
            if found is None:
                passed_over += 1
            elif found:
                errors += len(found)
                for line in found:
                    print(f"{file}: document {number}: {line}")
            else:
                valid += 1
    print(f"{valid} valid, {errors} errors, {passed_over} passed over")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
