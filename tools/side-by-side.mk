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
# For make lab=02 is another variable, which nothing reads.
CAPITAL := LAB LABS SYSTEM TEST SEED WORK V ALL LIMIT LEVEL DIR NAME M FULL MECHANISM WAY CELL BUILD WERROR
GIVEN := $(foreach v,$(filter-out $(CAPITAL) MAKEFLAGS MAKEOVERRIDES,$(.VARIABLES)),$(if $(filter command,$(origin $(v))),$(v)))
$(foreach v,$(GIVEN),$(foreach known,$(filter $(shell echo $(v) | tr a-z A-Z),$(CAPITAL)),\
    $(error $(v)= has no effect: write $(known)=$(if $(word 2,$($(v))),"$($(v))",$($(v))), in capital letters)))
$(foreach system,$(SYSTEM),$(if $(filter unix win32,$(system)),,$(error SYSTEM is unix or win32, not $(system))))
JOBS := $(shell expr 2 \* $$(nproc))
JOBS_check := $(shell expr 8 + $(JOBS))
JOBS_kit-check := $(JOBS_check)
JOBS_mistakes := $(shell expr 3 \* $(JOBS))
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
# check are removed first. Both are about the labs and systems that this check judges, and about
# either our programs or those in WORK: another check may run beside this one. COUNTED: failed tests
# are counted here. For make a checker with failed tests is then no error: make's error lines would
# come after the checker's last lines.
RESULTS := $(or $(abspath $(BUILD)),$(if $(ONLY),$(abspath ../../build),$(CURDIR)/build))/results
OF_LABS := $(addprefix $(RESULTS)/,$(or $(ONLY),$(addsuffix -*,$(or $(LAB),[0-9]*))))
OF_SYSTEMS := $(foreach system,$(or $(SYSTEM),unix win32),$(addsuffix -$(system)-*.json,$(OF_LABS)))
JUDGED := results() { for file in $(OF_SYSTEMS); do case $${WORK:+work}$$file in work*-work.json) ;; work* | *-work.json) continue ;; esac; \
    if [ -e "$$file" ]; then $$1 "$$file"; fi; done; };
FORGET_RESULTS := results 'rm -f'; rm -f $(addsuffix *.lacks,$(OF_LABS));
SHOW_RESULTS = cat $(addsuffix *.lacks,$(OF_LABS)) 2>/dev/null | sort -u; results cat | awk -v status=$$status ' \
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
	$(if $(filter $(JUDGES),$@),$(SHOW_NAMESPACE)) $(if $(filter check,$@),$(JUDGED) $(FORGET_RESULTS)) status=0; $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(or $(JOBS_$@),$(JOBS))) \
	    $(if $(filter $@,$(WATCHED) $(if $(WORK),$(if $(or $(ONLY),$(filter 1,$(words $(LAB)))),check))),,-Otarget) --keep-going $@ $(ABSOLUTE) $(if $(filter check,$@),COUNTED=yes) $${WORK:+"WORK=$$WORK"} || status=1; \
	$(if $(filter check,$@),$(SHOW_RESULTS)) exit $$status
else
INNER := yes
.DEFAULT_GOAL := all
endif
