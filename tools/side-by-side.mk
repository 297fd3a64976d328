# side-by-side.mk - runs the goals of the command line one after the other, and the parts of each
# goal in parallel.
#
# A person starts the outer make. It starts an inner make for each goal, in which INNER is set. So
# `make setup check` first runs setup, then check, and the inner make for check finds what setup
# has installed. The inner make has two jobs for each processor. A check has 8 more, because it
# mostly waits: nine makes in labs/ and grading/ use a job each, and the longest parts of grading/
# must begin early. The output of each job is printed in one piece. A conversation, a progress
# bar, or a check of a student's programs for one lab is printed at once: a person watches it.

# For make a blank ends a name, and some other characters have a meaning.
HARD := : % \# ; & ( ) < > | * ? ` ' " \ $$ =
define need_plain_path
$(if $(2),$(if $(filter-out 1,$(words $(2)))$(strip $(foreach c,$(HARD),$(findstring $c,$(2)))),\
$(error $(1) must not have a blank in its path, nor any of $(HARD): $(2))))
endef
$(call need_plain_path,the kit,$(CURDIR))
$(call need_plain_path,BUILD,$(BUILD))

# LAB=3 is LAB=03.
two_digits = $(foreach lab,$(1),$(if $(filter $(lab),1 2 3 4 5 6 7 8 9),0$(lab),$(lab)))
override LAB := $(call two_digits,$(LAB))

ifeq ($(MAKELEVEL),0)
$(foreach system,$(SYSTEM),$(if $(filter unix win32,$(system)),,$(error SYSTEM is unix or win32, not $(system))))
JOBS := $(shell expr 2 \* $$(nproc))
JOBS_check := $(shell expr 8 + $(JOBS))
JOBS_kit-check := $(JOBS_check)
JOBS_mistakes := $(shell expr 2 \* $(JOBS))
WATCHED := setup run trace watch measure claims goals pitfalls grade-demo bench-grade submit fanout
GOALS := $(or $(MAKECMDGOALS),all)
.PHONY: $(GOALS)
.NOTPARALLEL:
.DEFAULT_GOAL := $(firstword $(GOALS))

# In a lab's folder there is no other lab.
ifneq ($(wildcard ../lab.mk),)
ONLY := $(notdir $(CURDIR))
$(foreach lab,$(LAB),$(if $(filter $(lab)%,$(ONLY)),,$(error this is the folder of lab $(ONLY), not $(lab): make LAB=$(lab) is for the top folder)))
endif

# When a recipe fails, make prints so on its last line, below the points. It does not with -q,
# which only asks whether there is something to do. Lines with "+" run all the same, and when the
# command returns 1 make returns 1 and prints nothing. The inner make does not use -q.
MAKEFLAGS += -q

ifneq ($(filter-out /%,$(BUILD)),)
ABSOLUTE := BUILD=$(abspath $(BUILD))
endif

# Prints the results at the end of a check, even if something failed. The results of an earlier
# check are removed first. COUNTED: failed tests are counted here. For make a checker with failed
# tests is then no error: make's error lines would come after the checker's last lines.
RESULTS := $(or $(abspath $(BUILD)),$(if $(ONLY),$(abspath ../../build),$(CURDIR)/build))/results/$(ONLY)
FORGET_RESULTS := rm -f $(RESULTS)*.json $(RESULTS)*.lacks;
SHOW_RESULTS = cat $(RESULTS)*.lacks 2>/dev/null | sort -u; cat $(RESULTS)*.json 2>/dev/null | awk -v status=$$status ' \
    /^  "[a-z]*": [0-9]/ { sum[$$1] += $$2 } \
    END { if (NR == 0) { print "total: nothing was judged"; exit 1 } \
          failed = sum["\"failed\":"] + sum["\"errors\":"]; unbuilt = sum["\"unbuilt\":"]; \
          if (status && !failed && !unbuilt) print "something else went wrong: see above"; \
          printf "total: %d of %d points; %d passed, %d failed, %d skipped%s\n", sum["\"points\":"], \
              sum["\"maximum\":"], sum["\"passed\":"], failed, sum["\"skipped\":"], \
              sum["\"blocked\":"] ? sprintf(", %d blocked", sum["\"blocked\":"]) : ""; \
          exit failed + unbuilt > 0 }' || status=1;

# In the kit for students WORK is mywork if nothing else is named.
STUDENTS_KIT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
ifneq ($(wildcard $(STUDENTS_KIT)/bin/machine),)
export WORK ?= $(STUDENTS_KIT)/mywork
$(shell mkdir -p $(STUDENTS_KIT)/mywork)
endif

# Before a check: if its programs have no private namespace, print why.
JUDGES := check mistakes kit-check sanitize valgrind
SHOW_NAMESPACE := $(dir $(lastword $(MAKEFILE_LIST)))../grading/harness/private-namespace --state;

# WORK may contain blanks, so no function of make can process it. A wrong LIMIT is reported once, not by each checker.
$(GOALS):
	@+MAKEFLAGS=$$(printf %s "$$MAKEFLAGS" | sed 's/^\([a-zA-Z]*\)q/\1/'); export MAKEFLAGS; \
	case $$WORK in '~' | '~/'*) WORK=$$HOME$${WORK#'~'} ;; esac; \
	case $$WORK in '' | /*) ;; *) WORK=$$PWD/$$WORK ;; esac; \
	if [ -n "$$WORK" ] && [ ! -d "$$WORK" ]; then echo "there is no folder $$WORK" >&2; exit 1; fi; \
	case $$LIMIT in '' | [0-9]* | .[0-9]*) ;; *) wrong=yes ;; esac; case $$LIMIT in *[!0-9.]* | *.*.*) wrong=yes ;; esac; \
	if [ -n "$${wrong-}" ]; then echo "LIMIT must be a number of seconds, such as 30, not '$$LIMIT'" >&2; exit 1; fi; \
	$(if $(filter $(JUDGES),$@),$(SHOW_NAMESPACE)) $(if $(filter check,$@),$(FORGET_RESULTS)) status=0; $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(or $(JOBS_$@),$(JOBS))) \
	    $(if $(filter $@,$(WATCHED) $(if $(WORK),$(if $(or $(ONLY),$(filter 1,$(words $(LAB)))),check))),,-Otarget) --keep-going $@ $(ABSOLUTE) $(if $(filter check,$@),COUNTED=yes) $${WORK:+"WORK=$$WORK"} || status=1; \
	$(if $(filter check,$@),$(SHOW_RESULTS)) exit $$status
else
INNER := yes
.DEFAULT_GOAL := all
endif
