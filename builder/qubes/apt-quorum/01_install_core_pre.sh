#!/bin/bash -e
# Before anything is downloaded: what could not end well ends here.
. "$(dirname "$0")/lib.sh"

find_program
find_package
take_configuration
