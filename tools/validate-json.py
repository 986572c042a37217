#!/usr/bin/env python3
"""Checks a JSON document against a JSON Schema, or that a text is well-formed XML.

usage: validate-json.py SCHEMA FILE
       validate-json.py --xml FILE

Prints one line for each error. Exit code 0: valid; 1: errors; 2: wrong usage.
"""

import json
import sys
import xml.etree.ElementTree

from jsonschema.validators import validator_for


def problems(schema, path):
    with open(path, encoding="utf-8") as stream:
        if schema == "--xml":
            try:
                xml.etree.ElementTree.parse(stream)
            except xml.etree.ElementTree.ParseError as error:
                yield str(error)
            return
        document = json.load(stream)
    with open(schema, encoding="utf-8") as stream:
        schema = json.load(stream)
    validator = validator_for(schema)
    validator.check_schema(schema)
    for error in validator(schema).iter_errors(document):
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"


def main():
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    found = list(problems(*sys.argv[1:]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
