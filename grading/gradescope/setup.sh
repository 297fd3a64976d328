#!/bin/bash
#
# setup.sh - makes the image in which Gradescope grades: installs what the kit needs, and builds it.
# Gradescope runs it once, as root, when the autograder is uploaded; ./make-zip packs it.
set -eu

cd /autograder/source/kit
tools/setup || [ $? -eq 3 ] # the UNIX half is complete
make
