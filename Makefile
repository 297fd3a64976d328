# Every command that a person types: `make help` prints the lines that begin with "#:".
#
#: Commands, from this folder; LAB=01 means one lab, LAB="01 05" two, SYSTEM=unix or win32 one system.
#:
#:   make setup run           install what is missing, build, watch every conversation
#:   make setup check         install, build, run every check and the kit's own tests
#:
#:   make                     build everything into build/
#:        WERROR=yes          ... a compiler's warning is an error, as in make lint and in CI
#:   make run LAB=01          watch one lab's conversation
#:   make check LAB=01        judge one lab's programs
#:        TEST=id             ... by one test        SEED=0x... with the same random texts
#:        WORK=folder         ... your own programs: folder/unix/server.c and so on
#:        V=1                 ... and the commands that build them
#:        CELL=yes            ... in the sandbox that grading takes
#:        LIMIT=30            ... with 30 seconds for a wait, not 10, on a machine that has much to do
#:        ALL=yes            ... of your programs all stages, also after one with failures
#:   make list LAB=01         every test of a lab: id, stage, points, sentence
#:   make diff LAB=01 SYSTEM=unix    what the robust programs add to the pair
#:   make code-size LAB=01    how long the programs and their functions are
#:   make mistakes LAB=01     prove the checker: each known mistake must be caught
#:   make experiment LAB=01 M=name   make that mistake and watch what happens
#:   make measure             lab 08: every mechanism, measured; FULL=1 for long, MECHANISM=, SIZE=
#:   make claims              lab 08: what the texts claim, beside what was measured
#:   make goals               lab 08: what the programs must reach, measured
#:   make fool WAY=cold       lab 08: a wrong figure beside the right one; without WAY, all seven
#:   make grade-demo          grade a small made-up class, see what comes out
#:   make bench-grade         measure what grading costs; FULL=1 with up to 500 submissions
#:   make kit-check           the tests of the checkers' own harness
#:   make sanitize            every check again, with ASan and UBSan
#:   make valgrind            every UNIX check again, under valgrind
#:   make lint                formatting, clang-tidy, cppcheck, shellcheck
#:   make doctor              what this machine has, what it lacks, and what mends it
#:   make clean               remove build/
#:
#: In a lab's folder: make, make run, make check, make mistakes, make experiment M=name, for that lab.

include tools/side-by-side.mk
ifdef INNER

LABS   := $(sort $(notdir $(wildcard labs/[0-9]*)))
CHOSEN := $(if $(LAB),$(filter $(addsuffix %,$(LAB)),$(LABS)),$(LABS))
BUILD  ?= $(CURDIR)/build
export BUILD
unexport LAB

$(foreach lab,$(LAB),$(if $(filter $(lab)%,$(LABS)),,$(error there is no lab $(lab): the labs are $(LABS))))

.PHONY: all help setup doctor kit run check kit-check total mistakes experiment sanitize \
        valgrind lint clean measure claims goals fool grade-demo bench-grade

all: $(CHOSEN:%=all-%)

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

# Without the Win32 half (3) the UNIX half goes on.
setup:
	@tools/setup || [ $$? -eq 3 ]

doctor:
	@tools/doctor

kit:
	@+$(MAKE) -C grading

# In every lab, side by side: build, check and mistakes.
define in_every_lab
.PHONY: $(LABS:%=$(1)-%)
$(LABS:%=$(1)-%): $(1)-%: kit
	@+$(MAKE) -C labs/$$* $(1)
endef
$(foreach command,all check mistakes,$(eval $(call in_every_lab,$(command))))

# One lab after the other: these are there to be watched.
run: all
	@+for lab in $(CHOSEN); do $(MAKE) -C labs/$$lab run || exit; done

experiment: kit
	@+$(if $(filter 1,$(words $(CHOSEN))),,echo "make experiment LAB=01 M=name" >&2; exit 2;) \
	$(MAKE) -C labs/$(CHOSEN) experiment

# Of one lab or several, one after the other.
list diff:
	@+for lab in $(CHOSEN); do $(MAKE) -s -C labs/$$lab $@ || exit; done

code-size:
	@tools/code-size $(CHOSEN:%=labs/%)

measure claims goals fool: kit
	@+$(MAKE) -C labs/08-measure $@

# The outer make adds up what the checkers write to build/results.
check: $(if $(LAB),,kit-check) $(CHOSEN:%=check-%)
mistakes: $(CHOSEN:%=mistakes-%)

kit-check: kit
	@+$(MAKE) -C grading check

# The demonstration makes up its class and grades it, for UNIX alone unless SYSTEM says more.
DEMO := $(BUILD)/grade-demo
grade-demo:
	@grading/demo/make-class $(DEMO)
	@grading/grade --out $(DEMO)/results --labs 01,05 --systems $(or $(subst $(space),$(comma),$(strip $(SYSTEM))),unix) \
	    --title "A made-up class" --map $(DEMO)/students.csv --due "2026-11-20 23:59" \
	    --late $(DEMO)/late.txt --gradescope --github-classroom --junit $(DEMO)/submissions
comma := ,
space := $(subst ,, )

bench-grade:
	@LABS=$(subst $(space),$(comma),$(strip $(LAB))) SYSTEMS=$(subst $(space),$(comma),$(strip $(SYSTEM))) grading/demo/bench $(BUILD)/grade-bench

sanitize:
	@+SANITIZED=yes $(MAKE) $(CHOSEN:%=check-%) BUILD=$(BUILD)/sanitized \
	    SANITIZE_UNIX="-fsanitize=address,undefined -fno-sanitize-recover=all" \
	    SANITIZE_WIN32="-fsanitize=undefined -fsanitize-undefined-trap-on-error"

# What is "possibly lost" is the memory of threads that still run when the process ends.
valgrind:
	@+PROGRAM_PREFIX="valgrind --quiet --vgdb=no --leak-check=full --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect --error-exitcode=99" \
	    $(MAKE) $(CHOSEN:%=check-%) SYSTEM=unix

lint:
	@tools/lint

clean:
	rm -rf $(BUILD)

endif
