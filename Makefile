# Every command that a person types: `make help` prints the lines that begin with "#:". The kit for students
# has a copy without what is only for instructors (tools/student-kit).
#
#: Commands, for this folder. LAB=01 chooses one lab, LAB="01 05" two, SYSTEM=unix or win32 one system.
#:
#:   make setup run           install what is missing, build, watch every conversation
#:   make setup check         install, build, judge every lab
#:
#:   make run LAB=01          watch one lab's conversation
#:   make trace LAB=01        draw a conversation: every call, message and wait, on UNIX; labs 01 to 07
#:        SYSTEM=win32        ... under Wine
#:        WORK=folder         ... of your own programs   DIR=folder   ... the SVG into this folder
#:   make starter LAB=01      write programs to begin with, for you to complete
#:        LEVEL=2             ... which lack one step (1), the calls of the mechanism (2), or nearly all (3)
#:        DIR=folder          ... into this folder, and not the usual one
#:   make check LAB=01        judge one lab's programs
#:        TEST=id             ... by one test        SEED=0x... with the same random texts
#:        WORK=folder         ... judge your own programs: folder/unix/server.c and so on
#:        V=1                 ... show the commands that build them
#:        ALL=yes             ... run all stages, also after one with failures
#:        LIMIT=30            ... wait up to 30 seconds, not 10, on a busy machine
#:   make watch LAB=01        judge your programs at each save: what to fix first, what has changed
#:        WORK=folder         ... those in this folder, and not in ~/mywork
#:   make hint LAB=01 TEST=id    a hint for a test that your program has failed; each time it says more
#:   make progress            your points, per lab and stage
#:   make submit LAB=01       make the archive to hand in, and print its points
#:        WORK=folder         ... of these programs; NAME=anna names the archive
#:   make list LAB=01         every test of a lab: id, stage, points, sentence; SYSTEM=unix: of that system
#:   make doctor              show what this machine has, what is missing, and how to install it
#:   make clean               remove build/
# Only for instructors:
#:
#:   make                     build everything into build/
#:        WERROR=yes          ... treat warnings as errors, as make lint and CI do
#:   make check CELL=yes      judge in the sandbox that grading uses
#:   make diff LAB=01 SYSTEM=unix    what the robust programs add to the pair
#:   make code-size LAB=01    how long the programs and their functions are
#:   make mistakes LAB=01     prove the checker: it must catch each known mistake
#:   make experiments LAB=01  the mistakes of a lab, or of all labs, each with its lesson
#:   make experiment LAB=01 M=name   make one: the wrong and the right conversation
#:   make measure             lab 08: measure every mechanism; FULL=1 for longer, MECHANISM=, SIZE=
#:   make claims              lab 08: what the texts claim, beside what was measured
#:   make goals               lab 08: which ratios the programs must reach, measured
#:   make fanout              lab 08: the messenger beside ngircd and ncat --chat, one writes to all
#:   make pitfalls WAY=cold   lab 08: a wrong figure beside the right one; without WAY, all seven
#:   make student-kit         make the kit to hand out: without solutions, mistakes and grading
#:        LABS="01 02"        ... with these labs, not all; LEVEL=2: the easiest starters in it; DIR=folder
#:   make grade-demo          grade a small made-up class
#:   grading/grade --look DIR list what a class has handed in; grading/README.md has the rest
#:   make bench-grade         measure what grading costs; FULL=1 with up to 500 submissions
#:   make check kit-check     test everything: the labs, then the kit itself, harness, sandbox, grading, tools
#:   make sanitize            run every check again, with ASan and UBSan
#:   make valgrind            run every UNIX check again, under valgrind
#:   make lint                check formatting, clang-tidy, cppcheck, shellcheck, steps, links, prose
#:   make prose LAB=01        find words that are not plain English; V=1 prints long sentences
# For all:
#:
#: In a lab's folder the same commands are for that lab: make run, make check, make watch.

include tools/side-by-side.mk
ifdef INNER

# For `make student-kit LABS="01 02"`, LABS is another name of LAB.
ifeq ($(origin LABS),command line)
override LAB := $(or $(LAB),$(call two_digits,$(LABS)))
endif
override LABS := $(sort $(notdir $(wildcard labs/[0-9]*)))
CHOSEN := $(if $(LAB),$(filter $(addsuffix %,$(LAB)),$(LABS)),$(LABS))
BUILD  ?= $(CURDIR)/build
export BUILD
unexport LAB

$(foreach lab,$(LAB),$(if $(filter $(lab)%,$(LABS)),,$(error there is no lab $(lab): the labs are $(LABS))))

.PHONY: all help setup doctor kit run trace starter check watch hint progress submit list clean

all: $(CHOSEN:%=all-%)

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

# Exit code 3: the Win32 half is missing. The UNIX half is complete, so go on.
setup:
	@tools/setup || [ $$? -eq 3 ]

doctor:
	@tools/doctor

# Binaries that the kit for students has instead of their sources.
HANDED_OUT := $(wildcard bin/machine)
kit:
	@+$(if $(HANDED_OUT),:,$(MAKE) -C grading)

# In every lab, in parallel: build, check and mistakes.
define in_every_lab
.PHONY: $(LABS:%=$(1)-%)
$(LABS:%=$(1)-%): $(1)-%: kit
	@+$(MAKE) -C labs/$$* $(1)
endef
$(foreach command,all check mistakes,$(eval $(call in_every_lab,$(command))))

# One lab after the other, because a person watches the output.
run: all
	@+for lab in $(CHOSEN); do $(MAKE) -C labs/$$lab run || exit; done

# Begin the recipes of what needs LAB, or one lab.
which_lab     = echo "which lab? make $@ LAB=01$(if $(filter experiment,$@), M=name)" >&2; exit 2;
needs_lab     = $(if $(LAB),,$(which_lab))
needs_one_lab = $(if $(filter 1,$(words $(CHOSEN))),,$(which_lab))

# Lab 08 has no pair. In lab 09 a conversation is too long to be drawn.
trace: kit
	@+$(needs_lab) case $$DIR in '' | /*) ;; *) DIR=$$PWD/$$DIR ;; esac; for lab in $(CHOSEN); do \
	    case $$lab in 0[1-7]*) $(MAKE) -C labs/$$lab trace $${DIR:+"DIR=$$DIR"} || exit ;; *) echo "make trace is for labs 01 to 07" >&2; exit 2 ;; esac; \
	done

# DIR may be any path: only the shell sees it.
starter:
	@$(needs_lab) status=0; for lab in $(CHOSEN); do \
	    tools/starter --write $$lab "$(or $(SYSTEM),unix win32)" "$$LEVEL" "$$DIR" || status=1; \
	done; exit $$status

watch hint:
	@+$(needs_one_lab) $(MAKE) -s -C labs/$(CHOSEN) $@

progress:
	@tools/progress $(if $(LAB),$(CHOSEN))

submit:
	@$(needs_lab) tools/submit "$(CHOSEN)" "$(SYSTEM)" "$$WORK" "$$NAME"

ifdef HANDED_OUT
.PHONY: diff mistakes experiment experiments measure claims goals fanout pitfalls code-size
diff mistakes experiment experiments measure claims goals fanout pitfalls code-size:
	@echo "make $@ needs the sources of the kit's programs, which are not in this kit" >&2; exit 2
endif

# For one lab or several, one after the other.
list $(if $(HANDED_OUT),,diff):
	@+for lab in $(CHOSEN); do $(MAKE) -s -C labs/$$lab $@ || exit; done

# Only for instructors:
.PHONY: kit-check total mistakes experiment experiments sanitize valgrind lint prose measure claims goals fanout pitfalls \
        student-kit grade-demo bench-grade code-size diff

# The kit to hand out.
KIT_LABS := $(filter-out 08-%,$(CHOSEN))
student-kit: kit
	@$(if $(KIT_LABS),,echo "make student-kit: lab 08 cannot be in it" >&2; exit 2)
	@+$(MAKE) -s -C grading binaries
	@+for lab in $(KIT_LABS); do $(MAKE) -s -C labs/$$lab binaries || exit; done
	@tools/student-kit "$(KIT_LABS)" "$${LEVEL:-2}" "$${DIR:-$(BUILD)}"

experiment: kit
	@+$(needs_one_lab) \
	$(MAKE) -C labs/$(CHOSEN) experiment

experiments:
	@tools/experiments $(CHOSEN)

code-size:
	@tools/code-size $(CHOSEN:%=labs/%)

measure claims goals fanout pitfalls: kit
	@+$(MAKE) -C labs/08-measure $@

# For all:

# The outer make adds up what the checkers write to build/results.
check: $(CHOSEN:%=check-%)

# Only for instructors:
mistakes: $(CHOSEN:%=mistakes-%)

kit-check: kit
	@+$(MAKE) -C grading check

# The demonstration generates a class and grades it, for UNIX only, unless SYSTEM names more.
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

# Wine's getaddrinfo() returns entries that are not aligned, so alignment is checked for UNIX only.
sanitize:
	@+SANITIZED=yes $(MAKE) $(CHOSEN:%=check-%) BUILD=$(BUILD)/sanitized \
	    SANITIZE_UNIX="-fsanitize=address,undefined -fno-sanitize-recover=all" \
	    SANITIZE_WIN32="-fsanitize=undefined -fno-sanitize=alignment -fsanitize-undefined-trap-on-error"

# Threads that still run when the process ends have "possibly lost" memory: that is no error.
valgrind:
	@+PROGRAM_PREFIX="valgrind --quiet --vgdb=no --fair-sched=try --leak-check=full --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect --suppressions=$(CURDIR)/tools/valgrind.supp --error-exitcode=99" \
	    $(MAKE) $(CHOSEN:%=check-%) SYSTEM=unix

lint:
	@tools/lint

prose:
	@tools/prose $(if $(LAB),$(CHOSEN:%=labs/%))

# For all:

clean:
	rm -rf $(BUILD)

endif
